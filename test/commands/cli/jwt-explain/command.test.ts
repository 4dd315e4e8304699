import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import type { JwtReport } from '../../../../src/commands/cli/jwt-explain/report.ts'
import { startKeyServer } from '../../../support/key-server.ts'
import { HIGH_LIMITS, startService } from '../../../support/running-service.ts'
import { scratchFolder } from '../../../support/scratch-folder.ts'
import { forAllTests } from '../../../support/started.ts'
import { createTokenCases } from '../../../support/token-cases.ts'
import { createSecretSigner, createSigner } from '../../../support/tokens.ts'
import { quickCli } from '../run-cli.ts'

// Compares the command's judgement of a token with that of the running service.

const SECRET = 'a shared secret of at least thirty-two bytes'
const SECRET_ISSUER = 'https://shared.test'
const es = createSigner('ES256', 'shared-kid')
const rs = createSigner('RS256', 'rsa')
const foreign = createSigner('ES256', 'shared-kid')
const shared = createSecretSigner('HS256', SECRET)
const folder = scratchFolder()
const file = join(folder, 'config.yaml')

const server = forAllTests(() => startKeyServer([es.publicJwk, rs.publicJwk]))
const otherServer = forAllTests(() => startKeyServer([foreign.publicJwk]))
const running = forAllTests(() => {
  const config = `
issuers:
  - { issuer: '${server.issuer}', audience: [chat-api], algorithms: [ES256, RS256], jwks_uri: '${server.jwksUri}' }
  - { issuer: '${otherServer.issuer}', audience: [chat-api], algorithms: [ES256], sessions_end_with_token: true }
  - { issuer: '${SECRET_ISSUER}', audience: [chat-api], algorithms: [HS256], secret_env: TEST_SHARED_SECRET }
user: issuer + "|" + claims.sub
workflows:
  experts: { id: wf_experts, when: '"experts" in claims.groups' }
  paged: { id: wf_paged, when: 'input.page == "/help"', input: { page: { type: string, max_length: 20 } } }
  pro: { id: wf_pro, version: '3', when: 'has(claims.plan)', state_variables: { level: 'claims.level' } }
  support: { id: wf_support, when: '!has(claims.banned)' }
admins: { when: 'claims.admin', issuers: ['${server.issuer}'] }
${HIGH_LIMITS}
`
  writeFileSync(file, config)
  return startService({ config })
})
afterEach(() => {
  server.jwksBehaviour = { kind: 'ok' }
})

const cases = createTokenCases({ es, rs, foreign, issuer: () => server.issuer })
const { claims } = cases
const tokenOf = (changes = {}) => es.token(claims(changes))
const OK = { status: 200, code: null }
const NOT_ALLOWED = { status: 403, code: 'workflow_not_allowed' }
const NOT_MAPPED = { status: 403, code: 'claims_not_mapped' }
const seconds = () => Math.floor(Date.now() / 1000)
const variables = () => ({ CONFIG_FILE: file, TEST_SHARED_SECRET: SECRET })

interface Explained {
  readonly code: number | null
  readonly report: JwtReport
}

async function explain(token: string, ...more: readonly string[]): Promise<Explained> {
  const words = ['jwt', 'explain', '--json', ...more]
  const { code, out, err } = await quickCli(words, variables(), { input: `${token}\n` })
  // Neither the token nor its signature.
  for (const part of [token, token.split('.')[2] ?? '']) {
    if (part.length > 20) expect(out + err).not.toContain(part)
  }
  return { code, report: JSON.parse(out) }
}

/** Status, code and reason of the running service. */
async function served(token: string, body?: object) {
  const response = await running.mint(token, {
    ...(body && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  })
  const id = response.headers.get('x-request-id')
  const line = running.log.find((one) => one['request_id'] === id)
  const { code } = (await response.json()) as { code?: string }
  return { status: response.status, code: code ?? null, reason: line?.['reason'] ?? null }
}

/** Up to its first colon, and without seconds, of which one may pass between the two. */
function withoutDetail(reason: unknown) {
  return String(reason ?? '')
    .split(':', 1)[0]
    ?.replace(/\d+ seconds/, 'seconds')
}

async function expectAsServed(token: string, body?: { workflow?: string; input?: object }) {
  const options = [
    ...(body?.workflow === undefined ? [] : ['--workflow', body.workflow]),
    ...(body?.input === undefined ? [] : ['--input', JSON.stringify(body.input)]),
  ]
  const { code, report } = await explain(token, ...options)
  const answer = await served(token, body)
  expect({ status: report.status, code: report.code }).toEqual({
    status: answer.status,
    code: answer.code,
  })
  expect(withoutDetail(report.reason)).toBe(withoutDetail(answer.reason))
  expect(report.accepted).toBe(answer.status === 200)
  expect(code).toBe(answer.status === 200 ? 0 : 1)
  return report
}

describe('the same answer as the running service', () => {
  test.each(cases.refused)('401: %s', async (_name, token, reason) => {
    const report = await expectAsServed(token())
    expect(report).toMatchObject({ status: 401, code: 'invalid_token', user: null, admin: false })
    expect(report.reason).toMatch(reason)
  })

  test.each(cases.accepted)('200: %s', async (_name, token) => {
    const report = await expectAsServed(token())
    expect(report).toMatchObject({ status: 200, workflow: 'support', reason: null })
    expect(report.token.signature).toBe('valid')
  })

  test.each<[string, () => string, { workflow?: string; input?: object } | undefined, object]>([
    ['a user that no workflow is for', () => tokenOf({ banned: true }), undefined, NOT_ALLOWED],
    ['a workflow for others', () => tokenOf(), { workflow: 'experts' }, NOT_ALLOWED],
    ['an unknown workflow', () => tokenOf(), { workflow: 'nope' }, NOT_ALLOWED],
    ['a state variable that fails', () => tokenOf({ plan: 'pro' }), undefined, NOT_MAPPED],
    [
      'a state variable of a wrong type',
      () => tokenOf({ plan: 'pro', level: [] }),
      undefined,
      NOT_MAPPED,
    ],
    [
      'undeclared input',
      () => tokenOf(),
      { input: { colour: 'red' } },
      { status: 400, code: 'invalid_request' },
    ],
    [
      'input that opens a workflow',
      () => tokenOf(),
      { workflow: 'paged', input: { page: '/help' } },
      OK,
    ],
    [
      'less than a second left of a token that ends its session',
      () => foreign.token({ ...claims(), iss: otherServer.issuer, exp: seconds() }),
      undefined,
      { status: 401, code: 'token_expired' },
    ],
    ['a shared secret', () => shared.token({ ...claims(), iss: SECRET_ISSUER }), undefined, OK],
  ])('%s', async (_name, token, body, expected) => {
    expect(await expectAsServed(token(), body)).toMatchObject(expected)
  })
})

describe('the mapping of a token', () => {
  test('shows user, workflow, the parameters of the create, and every workflow with its reason', async () => {
    const { report } = await explain(tokenOf({ plan: 'pro', level: 3, groups: ['staff'] }))
    running.upstream.clearRequests()
    await running.mint(tokenOf({ plan: 'pro', level: 3, groups: ['staff'] }))
    expect(report.session).toEqual(running.upstream.requests()[0]?.body)
    expect(report).toMatchObject({
      user: `${server.issuer}|alice`,
      workflow: 'pro',
      state_variables: { level: 3 },
      token: {
        issuer: server.issuer,
        alg: 'ES256',
        kid: 'shared-kid',
        typ: 'JWT',
        subject: 'alice',
      },
      workflows: [
        {
          name: 'experts',
          allowed: false,
          reason: '`when` is false',
          rule: 'when: "experts" in claims.groups; groups is ["staff"]',
        },
        { name: 'paged', allowed: false, reason: '`when` fails: No such key: page' },
        { name: 'pro', allowed: true, reason: null },
        { name: 'support', allowed: true, reason: null },
      ],
    })
  })

  test('is shown for an expired token, too, which is refused', async () => {
    const expired = es.token(claims({ exp: seconds() - 31, plan: 'pro', admin: true }))
    const report = await expectAsServed(expired)
    expect(report).toMatchObject({
      accepted: false,
      code: 'token_expired',
      also: expect.stringMatching(/^claims_not_mapped: state variable "level" fails: No such key/),
      user: `${server.issuer}|alice`,
      admin: true,
    })
    const text = await quickCli(['jwt', 'explain'], variables(), { input: expired })
    expect(text.out).toMatch(/^token +REFUSED, 401 token_expired\n/)
    expect(text.out).toContain(`${server.issuer}|alice`)
    expect(text.out).toContain(`\nconfig           ${file}\n`)
    expect(text.out).toContain('experts: when: "experts" in claims.groups; groups is missing\n')
    expect(text.code).toBe(1)
  })

  test.each<[string, () => string, boolean, string | null]>([
    ['an admin', () => tokenOf({ admin: true }), true, null],
    ['a claim of another type', () => tokenOf({ admin: 'yes' }), false, 'yields a string'],
    ['no claim', () => tokenOf(), false, 'No such key: admin'],
    [
      'another issuer',
      () => foreign.token(claims({ iss: otherServer.issuer, admin: true })),
      false,
      'admins.issuers',
    ],
  ])('says who is an admin, and why not: %s', async (_name, token, admin, why) => {
    const { report } = await explain(token())
    expect(report).toMatchObject({
      admin,
      admin_reason: why === null ? null : expect.stringContaining(why),
    })
  })
})

describe('keys that cannot be had', () => {
  test('a key set that cannot be fetched is 503 idp_unavailable, with the cause', async () => {
    server.jwksBehaviour = { kind: 'answer', status: 500, body: '' }
    const { code, report } = await explain(tokenOf())
    expect(code).toBe(1)
    expect(report).toMatchObject({ status: 503, code: 'idp_unavailable', user: null })
    expect(report.token.signature).toBe('not_checked')
    expect(report.reason).toMatch(/no keys of issuer .*answered 500/)
  })

  test('--offline fetches nothing, and says that the signature was not checked', async () => {
    const before = { ...server.fetches }
    const stranger = createSigner('ES256', 'stranger').token(claims())
    const { code, report } = await explain(stranger, '--offline')
    expect(code).toBe(0)
    expect(report).toMatchObject({ accepted: true, user: `${server.issuer}|alice` })
    expect(report.token.signature).toBe('not_checked')
    expect(server.fetches).toEqual(before)
    const options = ['jwt', 'explain', '--offline']
    const { out } = await quickCli(options, variables(), { input: stranger })
    expect(out).toMatch(/^token +accepted if its signature is valid\n/)
    expect(out).toMatch(/\nsignature +not checked\n/)
  })

  test('--offline still checks alg, claims and signatures by keys of the config', async () => {
    const offline = async (token: string) => (await explain(token, '--offline')).report.reason
    expect(await offline(withAlg('HS256'))).toMatch(/alg "HS256" is not on/)
    expect(await offline(tokenOf({ aud: 'other' }))).toMatch(/aud/)
    const forged = createSecretSigner('HS256', `${SECRET}, another`)
    expect(await offline(forged.token(claims({ iss: SECRET_ISSUER })))).toBe(
      'the signature is wrong: `secret_env` counts as it stands, neither base64 nor quotes are undone',
    )
  })
})

const withAlg = (alg: string) => es.token(claims(), { alg })

describe('at the terminal', () => {
  const run = (input: string, ...words: readonly string[]) =>
    quickCli(['jwt', 'explain', ...words], variables(), { input })

  test('the whole header is accepted like the token', async () => {
    for (const prefix of ['Bearer ', 'bearer  ', 'Authorization: Bearer ']) {
      expect(await run(`${prefix}${tokenOf()}\r\n`)).toMatchObject({ code: 0, err: '' })
    }
  })

  test('control characters in a token are escaped', async () => {
    const evil = '\u001b[2J\u009b31m\u202e'
    const { out, err } = await run(es.token(claims({ plan: evil, level: evil }), { kid: evil }))
    const whole = await run(tokenOf({ plan: 'x', level: evil }))
    for (const text of [out, err, whole.out, whole.err]) {
      for (const char of ['\u001b', '\u009b', '\u202e']) expect(text).not.toContain(char)
    }
    expect(whole.out).toContain('state variables')
  })

  test.each([
    ['no token', '', [], /no token on standard input. Pipe the token in/],
    ['a token as a word', '', ['eyJhbGciOiJub25lIn0.e30.'], /takes no words. Pipe the token in/],
    ['a flood', 'x'.repeat(100_000), [], /longer than any token/],
    ['input that is no JSON', 'x', ['--input', '{'], /--input: not JSON/],
    ['input that is no object', 'x', ['--input', '[1]'], /--input: must be a JSON object/],
    ['input of a wrong type', 'x', ['--input', '{"a":{}}'], /--input: must be a JSON object/],
    ['an empty workflow', 'x', ['--workflow', ''], /--workflow: must be the name/],
    ['a token as an option', 'x', ['--token', 'x'], /unknown option.*\n.*--token-file/],
  ])('wrong usage, %s, ends with 2', async (_name, input, words, message) => {
    const { code, out, err } = await run(input, ...words)
    expect({ code, out }).toEqual({ code: 2, out: '' })
    expect(err).toMatch(message)
  })

  test('an invalid config ends with 78 and every error, and no API key is needed', async () => {
    const bad = join(folder, 'bad.yaml')
    writeFileSync(bad, 'issuers: []\ncolour: red\n')
    const { code, err } = await run('x', '--config', bad)
    expect(code).toBe(78)
    expect(err).toContain(`${bad}:1: issuers`)
    expect(err).toContain(`${bad}:2: colour`)
    const unset = await quickCli(['jwt', 'explain', '--config', file], {}, { input: 'x' })
    expect(unset.code).toBe(78)
    expect(unset.err).toContain('needs TEST_SHARED_SECRET')
    expect(unset.err).not.toContain('OPENAI_API_KEY')
  })
})
