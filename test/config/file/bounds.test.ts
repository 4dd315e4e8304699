import { describe, expect, test } from 'vitest'
import { MINIMAL, minimalWith, problemsOf } from '../fixtures.ts'

const issuer = (lines: string): string =>
  minimalWith('    algorithms: [RS256]', `    algorithms: [RS256]\n    ${lines}`)
const workflow = (lines: string): string => `${MINIMAL}    ${lines}\n`
const top = (lines: string): string => `${MINIMAL}${lines}\n`

describe('refused', () => {
  test.each([
    ['no issuers', minimalWith('issuers:', 'issuers: []\nuser2:'), 'issuers'],
    ['issuers missing', "user: 'claims.sub'\nworkflows: { a: { id: wf } }", 'issuers'],
    ['empty audience', minimalWith('[chat-api]', '[]'), 'issuers[0].audience'],
    ['blank audience', minimalWith('[chat-api]', "[' ']"), 'issuers[0].audience[0]'],
    ['audience that is no list', minimalWith('[chat-api]', 'x'), 'issuers[0].audience'],
    ['no algorithms', minimalWith('[RS256]', '[]'), 'issuers[0].algorithms'],
    ['algorithm none', minimalWith('[RS256]', '[none]'), 'issuers[0].algorithms[0]'],
    ['algorithm in lower case', minimalWith('[RS256]', '[rs256]'), 'issuers[0].algorithms[0]'],
    ['HS256 without a secret', minimalWith('[RS256]', '[HS256]'), 'issuers[0].algorithms[0]'],
    ['RS256 with a secret', issuer('secret_env: S'), 'issuers[0].algorithms[0]'],
    ['issuer over http', minimalWith('https:', 'http:'), 'issuers[0].issuer'],
    [
      'issuer that is no URL',
      minimalWith('https://login.acme.example/', 'acme'),
      'issuers[0].issuer',
    ],
    ['issuer with a query', minimalWith('example/', 'example/?a=b'), 'issuers[0].issuer'],
    ['issuer with a fragment', minimalWith('example/', 'example/#a'), 'issuers[0].issuer'],
    ['issuer with a password', minimalWith('https://', 'https://u:p@'), 'issuers[0].issuer'],
    [
      'issuer with a space',
      minimalWith('https://login.acme.example/', '"https://a.example/ "'),
      'issuers[0].issuer',
    ],
    ['jwks_uri over http', issuer('jwks_uri: http://10.0.0.1/k'), 'issuers[0].jwks_uri'],
    [
      'clock tolerance 121',
      issuer('clock_tolerance_seconds: 121'),
      'issuers[0].clock_tolerance_seconds',
    ],
    [
      'clock tolerance -1',
      issuer('clock_tolerance_seconds: -1'),
      'issuers[0].clock_tolerance_seconds',
    ],
    [
      'clock tolerance 1.5',
      issuer('clock_tolerance_seconds: 1.5'),
      'issuers[0].clock_tolerance_seconds',
    ],
    [
      'clock tolerance NaN',
      issuer('clock_tolerance_seconds: .nan'),
      'issuers[0].clock_tolerance_seconds',
    ],
    ['audience claim sub', issuer('audience_claim: sub'), 'issuers[0].audience_claim'],
    [
      'logout token as a user token',
      issuer('token_types: [application/Logout+JWT]'),
      'issuers[0].token_types[0]',
    ],
    ['no token types', issuer('token_types: []'), 'issuers[0].token_types'],
    ['cookie name with a space', issuer("cookie: 'a b'"), 'issuers[0].cookie'],
    [
      'logout without clients',
      issuer('logout: { client_ids: [] }'),
      'issuers[0].logout.client_ids',
    ],
    [
      'logout with HS256',
      issuer('logout: { client_ids: [a], algorithms: [HS256] }'),
      'issuers[0].logout.algorithms[0]',
    ],
    ['no keys in jwks', issuer('jwks: { keys: [] }'), 'issuers[0].jwks.keys'],
    [
      'a private key in jwks',
      issuer('jwks: { keys: [{ kty: EC, d: x }] }'),
      'issuers[0].jwks.keys[0]',
    ],
    [
      'a symmetric key in jwks',
      issuer('jwks: { keys: [{ kty: oct }] }'),
      'issuers[0].jwks.keys[0].kty',
    ],
    [
      '51 keys in jwks',
      issuer(`jwks: { keys: [${Array(51).fill('{ kty: RSA }').join(', ')}] }`),
      'issuers[0].jwks.keys',
    ],
    ['null user', minimalWith("'claims.sub'", ''), 'user'],
    ['empty user', minimalWith("'claims.sub'", "''"), 'user'],
    ['no workflows', minimalWith('  support:\n    id: wf_1', '  {}'), 'workflows'],
    ['workflow name in upper case', minimalWith('support', 'Support'), 'workflows.Support'],
    ['workflow name with a digit first', minimalWith('support', '1a'), 'workflows.1a'],
    ['workflow name of 65', minimalWith('support', 'a'.repeat(65)), `workflows.${'a'.repeat(65)}`],
    ['workflow id missing', minimalWith('id: wf_1', "version: '1'"), 'workflows.support.id'],
    ['workflow id with a slash', minimalWith('wf_1', 'wf/1'), 'workflows.support.id'],
    ['version LATEST', workflow("version: ' LATEST '"), 'workflows.support.version'],
    ['blank version', workflow("version: ' '"), 'workflows.support.version'],
    ['version as a number', workflow('version: 3'), 'workflows.support.version'],
    ['api_key_env that is no name', workflow('api_key_env: 1A'), 'workflows.support.api_key_env'],
    ['when as a bool', workflow('when: true'), 'workflows.support.when'],
    [
      'expires_after 601',
      workflow('expires_after: { seconds: 601 }'),
      'workflows.support.expires_after.seconds',
    ],
    [
      'expires_after 0',
      workflow('expires_after: { seconds: 0 }'),
      'workflows.support.expires_after.seconds',
    ],
    [
      'expires_after without seconds',
      workflow('expires_after: { anchor: created_at }'),
      'workflows.support.expires_after.seconds',
    ],
    [
      'another anchor',
      workflow('expires_after: { seconds: 1, anchor: now }'),
      'workflows.support.expires_after.anchor',
    ],
    [
      'rate limit 0',
      workflow('rate_limits: { max_requests_per_1_minute: 0 }'),
      'workflows.support.rate_limits.max_requests_per_1_minute',
    ],
    [
      'file size 513',
      workflow('chatkit_configuration: { file_upload: { max_file_size: 513 } }'),
      'workflows.support.chatkit_configuration.file_upload.max_file_size',
    ],
    [
      '0 files',
      workflow('chatkit_configuration: { file_upload: { max_files: 0 } }'),
      'workflows.support.chatkit_configuration.file_upload.max_files',
    ],
    [
      '0 recent threads',
      workflow('chatkit_configuration: { history: { recent_threads: 0 } }'),
      'workflows.support.chatkit_configuration.history.recent_threads',
    ],
    [
      '65 state variables',
      workflow(
        `state_variables: { ${Array.from({ length: 65 }, (_, at) => `v${at}: "'x'"`).join(', ')} }`,
      ),
      'workflows.support.state_variables',
    ],
    [
      'a state variable of 65 characters',
      workflow(`state_variables: { ${'k'.repeat(65)}: "'x'" }`),
      `workflows.support.state_variables.${'k'.repeat(65)}`,
    ],
    [
      'input of another type',
      workflow('input: { a: { type: object } }'),
      'workflows.support.input.a.type',
    ],
    [
      'input without a type',
      workflow('input: { a: { required: true } }'),
      'workflows.support.input.a.type',
    ],
    [
      'max_length of a number',
      workflow('input: { a: { type: number, max_length: 3 } }'),
      'workflows.support.input.a.max_length',
    ],
    [
      'input name with a dot',
      workflow("input: { 'a.b': { type: string } }"),
      'workflows.support.input["a.b"]',
    ],
    ['admins without when', top('admins: {}'), 'admins.when'],
    [
      'admins of an unknown issuer',
      top("admins: { when: 'true', issuers: ['https://login.acme.example'] }"),
      'admins.issuers[0]',
    ],
    ['admin origin *', top("admins: { when: 'true', origins: ['*'] }"), 'admins.origins[0]'],
    ['limit 0', top('limits: { mints_per_user: { max: 0 } }'), 'limits.mints_per_user.max'],
    [
      'limit above the most',
      top('limits: { failed_auth_per_ip: { max: 10000001 } }'),
      'limits.failed_auth_per_ip.max',
    ],
    [
      'another when_full',
      top('limits: { live_sessions_per_user: { when_full: x } }'),
      'limits.live_sessions_per_user.when_full',
    ],
    ['retention 0', top('retention: { audit_days: 0 }'), 'retention.audit_days'],
    ['header name with a colon', top("client_ip_header: 'a:'"), 'client_ip_header'],
    ['a list as the file', '- a\n', '(file)'],
    ['a text as the file', 'hello\n', '(file)'],
  ])('%s', (_name, text, key) => {
    const keys = problemsOf(text).map((problem) => problem.split(' ')[1])
    expect(keys).toContain(key)
  })
})
