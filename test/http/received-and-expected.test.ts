import { beforeEach, describe, expect, test } from 'vitest'
import { startKeyServer } from '../support/key-server.ts'
import { answerOf } from '../support/problem-answer.ts'
import {
  APP_ORIGIN,
  DEFAULT_CONFIG,
  signer,
  startService,
  tokenFor,
} from '../support/running-service.ts'
import { forAllTests } from '../support/started.ts'
import { claimsOf, createSigner } from '../support/tokens.ts'

// For refusals that operators have to explain, the log says what was received and what was expected. The answer to
// the client does not.

const es = createSigner('ES256', 'published-key')
const keys = forAllTests(() => startKeyServer([es.publicJwk]))
const slashed = forAllTests(() => startKeyServer([es.publicJwk]))
const issuers = () =>
  `  - { issuer: '${keys.issuer}', audience: [chat-api], algorithms: [ES256], jwks_uri: '${keys.jwksUri}' }
  - { issuer: '${slashed.issuer}', audience: [chat-api], algorithms: [ES256] }\n`
const running = forAllTests(() => {
  slashed.discovery = { issuer: `${slashed.issuer}/` }
  return startService({
    config: DEFAULT_CONFIG.replace('user:', `${issuers()}user:`)
      .replace('claims.sub', 'issuer + "|" + claims.sub')
      .replace('id: wf_support', 'id: wf_support\n    input: { page: { type: string } }')
      .replace(`['${APP_ORIGIN}']`, `['${APP_ORIGIN}', 'https://app-*.acme.example']`),
  })
})
beforeEach(() => running.upstream.clearRequests())

const json = { 'content-type': 'application/json' }
const ofType = (typ: string) => signer.token(claimsOf('https://issuer.test', Date.now()), { typ })
const ofKeys = (header: Record<string, unknown>) =>
  es.token(claimsOf(keys.issuer, Date.now()), header)

interface Sent {
  readonly path?: string
  readonly token?: string
  readonly headers?: Record<string, string>
  readonly body?: string
}

async function send({ path = '/v1/sessions', token = tokenFor(), headers = {}, body }: Sent) {
  const answer = await answerOf(
    await fetch(`${running.url}${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, ...headers },
      ...(body !== undefined && { body }),
    }),
  )
  const id = answer.headers['x-request-id']
  const line = running.log.find((one) => one['request_id'] === id)
  return { answer, reason: String(line?.['reason']) }
}

const field = (body: object): Sent => ({ headers: json, body: JSON.stringify(body) })
const claiming = (claims: object): Sent => ({ token: tokenFor('a', { ...claims }) })

describe('the log says what was received and what was expected, and nothing is minted', () => {
  test.each<[string, () => Sent, number, string, string]>([
    ['audience', () => claiming({ aud: 'other-api' }), 401, 'other-api', 'chat-api'],
    [
      'one of several audiences',
      () => claiming({ aud: ['one-api', 'two-api'] }),
      401,
      '"one-api", "two-api"',
      'chat-api',
    ],
    [
      'issuer',
      () => claiming({ iss: 'https://else.test' }),
      401,
      'else.test',
      'https://issuer.test',
    ],
    [
      'issuer with a slash more',
      () => claiming({ iss: 'https://issuer.test/' }),
      401,
      '"https://issuer.test/"',
      '"https://issuer.test": write there what the token has',
    ],
    [
      'issuer of a client secret',
      () => claiming({ iss: 'https://chat.test', aud: 'chatkit:support' }),
      401,
      '"https://chat.test"',
      ': send the token of the user, not the client secret',
    ],
    ['typ', () => ({ token: ofType('secevent+jwt') }), 401, 'secevent+jwt', 'at+jwt'],
    ['algorithm', () => ({ token: ofKeys({ alg: 'ES384' }) }), 401, 'ES384', '"ES256"'],
    ['kid', () => ({ token: ofKeys({ kid: 'old' }) }), 401, 'kid "old"', 'published-key'],
    [
      'origin',
      () => ({ headers: { origin: 'https://app.acme.test' } }),
      403,
      'https://app.acme.test',
      `"${APP_ORIGIN}", "https://app-*.acme.example"`,
    ],
    [
      'body field',
      () => field({ workflw: 'support' }),
      400,
      'does not know. Received "workflw"',
      '"workflow", "input", "current_client_secret"',
    ],
    ['type of a field', () => field({ workflow: 7 }), 400, 'received number', 'expected string'],
    ['type of the body', () => field([]), 400, 'received array', 'expected object'],
    ['field of input', () => field({ input: { pgae: '/' } }), 400, '"pgae"', '"page"'],
    [
      'type in input',
      () => field({ input: { page: ['/'] } }),
      400,
      'The field "input.page"',
      'expected string, number or boolean, received array',
    ],
    ['path', () => ({ path: '/v1/session?planted=1' }), 404, '"/v1/session"', '"/v1/sessions"'],
    ['path with a prefix', () => ({ path: '/api/v1/threads' }), 404, '"/api/v1/threads"', '"/v1/'],
  ])('%s', async (_name, sent, status, received, expected) => {
    const { answer, reason } = await send(sent())
    expect(answer.status).toBe(status)
    expect(reason).toContain(received)
    expect(reason).toContain(expected)
    expect(answer.body).not.toContain(expected)
    if (status !== 400) expect(answer.body).not.toContain(received.replaceAll('"', ''))
    expect(running.upstream.requests()).toEqual([])
  })
})

test('what was received is cut to 200 characters, and holds nothing that looks like a credential', async () => {
  const long = 'x'.repeat(3000)
  const secret = 'ek_0123456789abcdef0123456789abcdef'
  const sent: Sent[] = [
    claiming({ aud: long }),
    claiming({ aud: secret }),
    claiming({ iss: `https://${long}` }),
    claiming({ iss: `https://a.test/${secret}` }),
    { token: ofKeys({ kid: secret }) },
    { token: signer.token({ iss: 'https://issuer.test' }, { typ: long }) },
    { token: signer.token({ iss: 'https://issuer.test' }, { alg: secret }) },
    { headers: { origin: `https://${long}.example` } },
    { headers: { origin: `https://${secret}.example` } },
    field({ [long]: 1 }),
    field({ [secret]: 1 }),
    field({ input: { [secret]: 'a' } }),
    { path: `/v1/${long}` },
    { path: `/v1/${secret}?token=${tokenFor()}` },
    { path: `/${tokenFor()}` },
  ]
  for (const one of sent) {
    const { answer, reason } = await send(one)
    expect(answer.status).toBeGreaterThanOrEqual(400)
    expect(reason).not.toContain('x'.repeat(201))
    expect(reason + answer.body).not.toMatch(/ek_|eyJ/)
  }
  expect(running.logText()).not.toContain(secret)
})

test('of an issuer without the slash that the provider has, the log names both and what to write', async () => {
  const token = es.token(claimsOf(slashed.issuer, Date.now()))
  const { answer } = await send({ token })
  expect(answer).toMatchObject({ status: 503 })
  expect(answer.body).not.toContain(slashed.issuer)
  const line = running.log.find(({ msg }) => msg === 'issuer keys could not be fetched')
  expect(line?.['reason']).toContain(
    `"${slashed.issuer}/", expected "${slashed.issuer}"; write issuer: "${slashed.issuer}/" in the config`,
  )
})
