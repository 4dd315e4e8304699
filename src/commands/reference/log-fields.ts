// Makes the page about the log: every field that a line can have, and lines as examples.

import { LINE_FIELDS, LOG_FIELDS, UPSTREAM_FIELDS } from '../../lib/log/fields.ts'
import { codeRows, table } from './table.ts'

/** A mint, a refusal, and a revoke in the audit. A test compares their fields with lines of the service. */
export const EXAMPLE_LINES = {
  mint: {
    level: 30,
    time: 1_790_000_000_123,
    request_id: 'req_3f1c9a60b87d4e52a1c06d9be4f8725c',
    method: 'POST',
    route: '/v1/sessions',
    status: 200,
    user: '9f0c6f1d2b7a4e35',
    workflow: 'helpdesk',
    session: 'cksess_68e5c1f0',
    upstream: {
      operation: 'create_session',
      status: 200,
      request_id: 'req_68e5c2',
      attempts: 1,
      ms: 183.4,
    },
    ms: 186.1,
    msg: 'request',
  },
  audit: {
    level: 30,
    time: 1_790_000_009_871,
    action: 'revoke',
    outcome: 'ok',
    reason: 'left',
    actor: '51ba7c5372fa60ad',
    user: '9f0c6f1d2b7a4e35',
    request_id: 'req_1a2367eca5d97532ae6dc7bd80d0ed0c',
    msg: 'audit',
  },
  refusal: {
    level: 30,
    time: 1_790_000_003_456,
    request_id: 'req_0dc865d6ba9d71095895fd23862218cb',
    method: 'POST',
    route: '/v1/sessions',
    status: 401,
    code: 'invalid_token',
    reason: 'claims: aud is not for this service: "web-app", expected "chat-api"',
    help: 'npx chatkit-mint jwt explain',
    ms: 0.9,
    msg: 'request',
  },
} as const

/** The line that says that the service takes requests. */
const LISTENING = {
  level: 30,
  time: 1_790_000_000_000,
  url: 'http://0.0.0.0:8787',
  msg: 'listening',
}

const HEADINGS: Readonly<Record<keyof typeof LOG_FIELDS, string>> = {
  request: 'A request',
  audit: 'An entry of the audit',
  start: 'Start and end',
  overload: 'Too much to do',
  issuers: 'Keys of issuers',
  store: 'Store, upstreams, streams',
}

/** @returns the page, as Markdown */
export function logFieldsPage(): string {
  const groups = Object.entries(LOG_FIELDS).flatMap(([group, fields]) => [
    `## ${HEADINGS[group as keyof typeof LOG_FIELDS]}`,
    ...(group === 'audit'
      ? [
          'A mint has none: the line of its request says it. Besides `user`, `reason` and `request_id`:',
        ]
      : []),
    fieldTable(fields),
    ...(group === 'request'
      ? [example(EXAMPLE_LINES.mint), example(EXAMPLE_LINES.refusal), UPSTREAM]
      : []),
    ...(group === 'audit' ? [example(EXAMPLE_LINES.audit)] : []),
    ...(group === 'start' ? [example(LISTENING)] : []),
  ])
  return `${[INTRODUCTION, '## Every line', fieldTable(LINE_FIELDS), ...groups].join('\n\n')}\n`
}

const INTRODUCTION = `# The log

For those who read the log, or collect it. The service writes it to standard output: JSON lines, or text on a terminal (\`LOG_FORMAT\`). Each request has one line, also when it
was refused before the app saw it. A field without a value is absent. No line holds an API key, a client secret, a token, or a user in clear;
what looks like a credential is written as \`[redacted]\`.

The answer to a client and its line share \`request_id\`: the answer says what the client can do, the line says why.`

const UPSTREAM = `\`upstream\` has these fields:

${fieldTable(UPSTREAM_FIELDS)}`

function fieldTable(fields: Readonly<Record<string, string>>): string {
  return table(['field', 'meaning'], codeRows(Object.entries(fields)))
}

function example(line: object): string {
  return `\`\`\`text\n${JSON.stringify(line)}\n\`\`\``
}
