// Makes the page about the browser helper: its functions, options and errors, as client.d.ts declares them.

import { readFileSync } from 'node:fs'
import { codeRows, table } from './table.ts'

/** Codes that the helper itself makes; all others come from the service. */
export const HELPER_CODES: Readonly<Record<string, string>> = {
  no_url:
    '`url` is missing, as when the build lacks the variable that has it. Both functions throw this at once.',
  network_error:
    'The service cannot be reached, did not answer within 30 seconds, or its answer has no CORS headers for this page (`cors.origins`): a redirect to `https` mostly has none.',
  token_unavailable:
    '`getToken` threw, its promise was rejected (`cause` is the reason), or it gave something that is no token.',
  invalid_response: 'The answer is a success without a client secret: `url` is not the service.',
  reset: '`reset()` was called meanwhile.',
}

/** @returns the page, as Markdown */
export function clientPage(): string {
  const source = readFileSync(new URL('../../client/client.d.ts', import.meta.url), 'utf8')
  const documented = (name: string, required = '') => members({ source, name, required })
  const codes = [
    ...codeRows(Object.entries(HELPER_CODES)),
    [
      '`http_502` and its like',
      'The answer has that status and no code: a proxy in between made it.',
    ],
    [
      '`http_0`',
      'The address redirects (to `https`, to a path with a slash), which the helper does not follow. Outside browsers the code has the status, as `http_308`.',
    ],
    ['all others', "The service's own: [errors by code](errors.md)."],
  ]
  return `# Browser helper

ChatKit asks a page for client secrets, or sends its requests through a function of the page. The helper is both, for this service. It is
one ES module (ES2022) without dependencies; secrets stay in memory. It does not load ChatKit itself.

Import it from the service, \`https://chat.example.com/client.js\`, or install it as a package: download \`/client.tgz\` once, commit it beside
the app, and \`npm install\` that file; then import from \`@chatkit-mint/client\`. Types come with the package, and as \`/client.d.ts\`.
Jest needs \`transformIgnorePatterns: ['/node_modules/(?!@chatkit-mint/)']\` and Babel's settings in \`babel.config.js\`: it reads no ES modules there.

## createChatKitFetch

${functionText(source, 'createChatKitFetch')}

\`\`\`js
import { createChatKitFetch } from 'https://chat.example.com/client.js'

const chatKitFetch = createChatKitFetch({
  url: 'https://chat.example.com',
  workflow: 'helpdesk',
  getToken: () => accessToken(),
  onSignedOut: () => location.assign('/sign-in'),
  onRevoked: ({ requestId }) => console.warn('access was revoked', requestId),
})
document.querySelector('openai-chatkit').setOptions({
  api: {
    url: 'https://chat.example.com/chatkit/helpdesk',
    domainKey: 'domain_pk_replace_me',
    fetch: chatKitFetch,
  },
})
\`\`\`

## createGetClientSecret

${functionText(source, 'createGetClientSecret')}

\`\`\`js
import { createGetClientSecret } from 'https://chat.example.com/client.js'

const getClientSecret = createGetClientSecret({
  url: 'https://chat.example.com',
  workflow: 'support',
  getToken: () => accessToken(),
})
document.querySelector('openai-chatkit').setOptions({ api: { getClientSecret } })
\`\`\`

## Options

Both functions take them. \`createChatKitFetch\` also takes \`getClientSecret\`: one that \`createGetClientSecret\` made, in the place of one made of
the other options.

${table(['option', 'type', 'meaning'], documented('type MintOptions', ' (required)'))}

## What both results have

${table(['member', 'type', 'meaning'], documented('type Controls'))}

## MintError

Every failure is a \`MintError\`, in rejected promises and in callbacks. Match on \`code\`; \`message\` is for developers.

${table(['field', 'type', 'meaning'], documented('declare class MintError'))}

${table(['code', 'meaning'], codes)}
`
}

interface Declared {
  readonly source: string
  readonly name: string
  /** Appended to the names of members that are not optional. */
  readonly required: string
}

/** The members of a type or class that have a comment. */
function members({ source, name: declared, required }: Declared): string[][] {
  const body =
    new RegExp(`^export ${declared}\\b[^\\n]*\\{\\n([\\s\\S]*?)\\n\\}`, 'm').exec(source)?.[1] ?? ''
  const found = body.matchAll(/^ {4}\/\*\*([\s\S]*?)\*\/\n {4}(\w+)(\??): (.*);$/gm)
  return Array.from(found, ([, comment = '', name, optional, type]) => [
    `\`${name}\`${optional ? '' : required}`,
    `\`${type}\``,
    plain(comment),
  ])
}

/** The comment of a function, without its tags. */
function functionText(source: string, name: string): string {
  const end = source.indexOf(`export declare function ${name}(`)
  const comment = source.slice(source.lastIndexOf('/**', end) + 3, source.lastIndexOf('*/', end))
  return plain(comment.split(/^ \* @/m)[0] ?? '')
}

function plain(comment: string): string {
  return comment.replaceAll(/\s*\n\s*\*? ?/g, ' ').trim()
}
