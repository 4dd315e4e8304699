import { expect, test } from 'vitest'
import { MINIMAL, minimalWith, problemsOf } from '../fixtures.ts'

const issuer = (lines: string): string =>
  minimalWith('    algorithms: [RS256]', `    algorithms: [RS256]\n    ${lines}`)
const workflow = (lines: string): string => `${MINIMAL}    ${lines}\n`
const top = (lines: string): string => `${MINIMAL}${lines}\n`

function expectProblemAt(text: string, key: string): void {
  expect(problemsOf(text).map((problem) => problem.split(' ')[1])).toContain(key)
}

test.each([
  ['no issuers', minimalWith('issuers:', 'issuers: []\nuser2:'), 'issuers'],
  ['issuers missing', "user: 'claims.sub'\nworkflows: { a: { id: wf } }", 'issuers'],
  ['empty audience', minimalWith('[chat-api]', '[]'), 'issuers[0].audience'],
  ['blank audience', minimalWith('[chat-api]', "[' ']"), 'issuers[0].audience[0]'],
  ['audience from a block', minimalWith('[chat-api]', '["chat-api\\n"]'), 'issuers[0].audience[0]'],
  ['audience with a space', minimalWith('[chat-api]', "['chat-api ']"), 'issuers[0].audience[0]'],
  ['audience that is no list', minimalWith('[chat-api]', 'x'), 'issuers[0].audience'],
  ['no algorithms', minimalWith('[RS256]', '[]'), 'issuers[0].algorithms'],
  ['algorithm none', minimalWith('[RS256]', '[none]'), 'issuers[0].algorithms[0]'],
  ['algorithm in lower case', minimalWith('[RS256]', '[rs256]'), 'issuers[0].algorithms[0]'],
  ['HS256 without a secret', minimalWith('[RS256]', '[HS256]'), 'issuers[0].algorithms[0]'],
  ['issuer over http', minimalWith('https:', 'http:'), 'issuers[0].issuer'],
  ['issuer that is no URL', minimalWith('https://login.corp.test/', 'acme'), 'issuers[0].issuer'],
  ['issuer with a query', minimalWith('corp.test/', 'example/?a=b'), 'issuers[0].issuer'],
  [
    'issuer that is its discovery document',
    minimalWith('corp.test/', 'corp.test/.well-known/openid-configuration'),
    'issuers[0].issuer',
  ],
  ['issuer with a fragment', minimalWith('corp.test/', 'example/#a'), 'issuers[0].issuer'],
  ['issuer with a password', minimalWith('https://', 'https://u:p@'), 'issuers[0].issuer'],
  [
    'issuer with a space',
    minimalWith('https://login.corp.test/', '"https://a.example/ "'),
    'issuers[0].issuer',
  ],
  ['null user', minimalWith("'claims.sub'", ''), 'user'],
  ['empty user', minimalWith("'claims.sub'", "''"), 'user'],
  ['no workflows', minimalWith('  support:\n    id: wf_1', '  {}'), 'workflows'],
  ['workflow name in upper case', minimalWith('support', 'Support'), 'workflows.Support'],
  ['workflow name with a digit first', minimalWith('support', '1a'), 'workflows.1a'],
  ['workflow name of 65', minimalWith('support', 'a'.repeat(65)), `workflows.${'a'.repeat(65)}`],
  [
    'workflow id and server missing',
    minimalWith('id: wf_1', "version: '1'"),
    'workflows.support.server',
  ],
  ['workflow id with a slash', minimalWith('wf_1', 'wf/1'), 'workflows.support.id'],
  ['a list as the file', '- a\n', '(file)'],
  ['a text as the file', 'hello\n', '(file)'],
])('%s is refused', (_name, text, key) => expectProblemAt(text, key))

test.each([
  ['secret_env: S', 'algorithms[0]'],
  ['jwks_uri: http://10.0.0.1/k', 'jwks_uri'],
  ['clock_tolerance_seconds: 121', 'clock_tolerance_seconds'],
  ['clock_tolerance_seconds: -1', 'clock_tolerance_seconds'],
  ['clock_tolerance_seconds: 1.5', 'clock_tolerance_seconds'],
  ['clock_tolerance_seconds: .nan', 'clock_tolerance_seconds'],
  ['audience_claim: sub', 'audience_claim'],
  ['token_types: [application/Logout+JWT]', 'token_types[0]'],
  ["required_claims: [' email']", 'required_claims[0]'],
  ['logout: { client_ids: ["web\\n"] }', 'logout.client_ids[0]'],
  ['token_types: [access token]', 'token_types[0]'],
  ['token_types: []', 'token_types'],
  ["cookie: 'a b'", 'cookie'],
  ['logout: { client_ids: [] }', 'logout.client_ids'],
  ['logout: { client_ids: [a], algorithms: [HS256] }', 'logout.algorithms[0]'],
  ['jwks: { keys: [] }', 'jwks.keys'],
  ['jwks: { keys: [{ kty: EC, d: x }] }', 'jwks.keys[0]'],
  ['jwks: { keys: [{ kty: oct }] }', 'jwks.keys[0].kty'],
  [`jwks: { keys: [${Array(101).fill('{ kty: RSA }').join(', ')}] }`, 'jwks.keys'],
])('%s is refused', (lines, key) => expectProblemAt(issuer(lines), `issuers[0].${key}`))

test.each([
  ["version: ' LATEST '", 'version'],
  ["version: ' '", 'version'],
  ['version: |\n        3', 'version'],
  ["version: ' 3'", 'version'],
  ['version: "3\\u0001"', 'version'],
  ['version: 3', 'version'],
  ['base_url: http://eu.api.openai.com/v1', 'base_url'],
  ['base_url: https://eu.api.openai.com/v1?a=b', 'base_url'],
  ['base_url: https://a:b@eu.api.openai.com/v1', 'base_url'],
  ['base_url: eu.api.openai.com/v1', 'base_url'],
  ['api_key_env: 1A', 'api_key_env'],
  ['when: true', 'when'],
  ['expires_after: { seconds: 601 }', 'expires_after.seconds'],
  ['expires_after: { seconds: 0 }', 'expires_after.seconds'],
  ['expires_after: { anchor: created_at }', 'expires_after.seconds'],
  ['expires_after: { seconds: 1, anchor: now }', 'expires_after.anchor'],
  ['rate_limits: { max_requests_per_1_minute: 0 }', 'rate_limits.max_requests_per_1_minute'],
  [
    'chatkit_configuration: { file_upload: { max_file_size: 513 } }',
    'chatkit_configuration.file_upload.max_file_size',
  ],
  [
    'chatkit_configuration: { file_upload: { max_files: 0 } }',
    'chatkit_configuration.file_upload.max_files',
  ],
  [
    'chatkit_configuration: { history: { recent_threads: 0 } }',
    'chatkit_configuration.history.recent_threads',
  ],
  [
    `state_variables: { ${Array.from({ length: 65 }, (_, at) => `v${at}: "'x'"`).join(', ')} }`,
    'state_variables',
  ],
  [`state_variables: { ${'k'.repeat(65)}: "'x'" }`, `state_variables.${'k'.repeat(65)}`],
  ['input: { a: { type: object } }', 'input.a.type'],
  ['input: { a: { required: true } }', 'input.a.type'],
  ['input: { a: { type: number, max_length: 3 } }', 'input.a.max_length'],
  ["input: { 'a.b': { type: string } }", 'input["a.b"]'],
])('%s is refused', (lines, key) => expectProblemAt(workflow(lines), `workflows.support.${key}`))

test.each([
  ['admins: {}', 'admins.when'],
  ["admins: { when: 'true', issuers: ['https://login.corp.test'] }", 'admins.issuers[0]'],
  ["admins: { when: 'true', origins: ['*'] }", 'admins.origins[0]'],
  ["admins: { when: 'true', origins: ['https://app-*.acme.example'] }", 'admins.origins[0]'],
  ['limits: { mints_per_user: { max: 0 } }', 'limits.mints_per_user.max'],
  ['limits: { failed_auth_per_ip: { max: 10000001 } }', 'limits.failed_auth_per_ip.max'],
  [
    'limits: { live_sessions_per_user: { when_full: x } }',
    'limits.live_sessions_per_user.when_full',
  ],
  ['retention: { audit_days: 0 }', 'retention.audit_days'],
  ['retention: { users_days: 0 }', 'retention.users_days'],
  ['client_ip_header: Forwarded', 'client_ip_header'],
  ['client_ip_header: authorization', 'client_ip_header'],
  ["client_ip_header: 'a:'", 'client_ip_header'],
  ["client_ip_header: 'x-*'", 'client_ip_header'],
])('%s is refused', (lines, key) => expectProblemAt(top(lines), key))

test('a missing key is named with what to write', () => {
  expect(problemsOf(minimalWith('    algorithms: [RS256]\n', ''))).toEqual([
    expect.stringMatching(
      /issuers\[0\]\.algorithms is missing; .* \[RS256\]$|algorithms.*\[RS256\]/,
    ),
  ])
  expect(problemsOf(minimalWith('id: wf_1', "when: 'true'"))).toEqual([
    expect.stringMatching(/ChatKit server of your own\), or `id`/),
  ])
})

test.each(['forward_headers', 'expose_headers'])(
  '%s takes no "*", which would name no header',
  (key) => {
    for (const star of ["'*'", 'x-app-*']) {
      expectProblemAt(
        minimalWith(
          'id: wf_1',
          `server: https://desk.corp.test/chatkit\n    ${key}: [x-a, ${star}]`,
        ),
        `workflows.support.${key}[1]`,
      )
    }
  },
)
