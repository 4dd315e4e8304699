import { SignJWT } from 'jose'
import { beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import { REQUEST_TYPES } from '../../src/chatkit/protocol/request.ts'
import { CLIENT_SECRET_TYPE } from '../../src/chatkit/signing/client-secret.ts'
import { makeSigningKeys, readSigningKeys } from '../../src/chatkit/signing/signing-keys.ts'
import type { SelfHostedWorkflow } from '../../src/config/settings.ts'
import { createVerifyToken } from '../../src/gateway/open-call.ts'
import type { AppContext, RequestFacts } from '../../src/http/context.ts'
import { ServiceError } from '../../src/lib/errors.ts'
import type { SessionUse } from '../../src/registry/records.ts'
import { createSqliteRegistry } from '../../src/registry/sqlite.ts'
import { workingParams } from '../support/chatkit/gateway-requests.ts'
import { ask, eventsOf, input } from '../support/chatkit/server-client.ts'
import { workflowName } from '../support/ids.ts'
import { stoppedClock } from '../support/issuer-settings.ts'
import { answerOf, expectProblem } from '../support/problem-answer.ts'
import { openRaw, rawRequest } from '../support/raw-http.ts'
import { forAllTests } from '../support/started.ts'
import { asAt, ISSUER, startScene, WORKFLOW } from './scene.ts'
import { start } from './scripted-server.ts'

const scene = forAllTests(() => startScene())
beforeEach(() => scene.sample.server.clearRequests())

const LIST = ['threads.list', {}] as const
/** FIPS 186-5 and SP 800-186 §3.2.1.3: with `s`, `n - s` is a valid signature too. */
const P256_ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n

function claims(changed: Record<string, unknown> = {}) {
  const iat = Math.floor(Date.now() / 1000)
  const all = { iss: ISSUER, aud: `chatkit:${WORKFLOW}`, sub: 'alice', sid: 'cksess_x' }
  return { ...all, jti: 'jti_x', iat, exp: iat + 60, ...changed }
}

const bad: Record<string, (good: string, id: string) => string | Promise<string>> = {
  'of a session that the registry does not have': () =>
    scene.keys.sign(claims(), CLIENT_SECRET_TYPE),
  'of a hosted session': async () => 'ek_68e5f7a1b2c3d4e5f60718293a4b5c6d',
  'that is a JWT of the user': () =>
    new SignJWT({ sub: 'alice' })
      .setProtectedHeader({ alg: 'HS256' })
      .sign(Buffer.alloc(32, 'a shared secret')),
  'for another workflow': async (_good, sid) =>
    scene.keys.sign(claims({ sid, aud: 'chatkit:other' }), CLIENT_SECRET_TYPE),
  'with another issuer': async (_good, sid) =>
    scene.keys.sign(claims({ sid, iss: 'https://evil.example' }), CLIENT_SECRET_TYPE),
  'signed with another key': async (_good, sid) =>
    readSigningKeys(makeSigningKeys(), 't').sign(claims({ sid }), CLIENT_SECRET_TYPE),
  'of a live session, which was never given out': (_good, sid) =>
    scene.keys.sign(claims({ sid }), CLIENT_SECRET_TYPE),
  'with the other form of its signature, which every ECDSA signature has': (good) => {
    const [head, payload, signature = ''] = good.split('.')
    const bytes = Buffer.from(signature, 'base64url')
    const s = P256_ORDER - BigInt(`0x${bytes.subarray(32).toString('hex')}`)
    const other = Buffer.from(s.toString(16).padStart(64, '0'), 'hex')
    const changed = Buffer.concat([bytes.subarray(0, 32), other])
    return [head, payload, changed.toString('base64url')].join('.')
  },
  'of another user’s session': (_good, sid) =>
    scene.keys.sign(claims({ sid, sub: 'bob' }), CLIENT_SECRET_TYPE),
  'of a session of another workflow': async () => {
    const { id: sid } = await scene.session('alice', { workflow: workflowName('other') })
    return scene.keys.sign(claims({ sid }), CLIENT_SECRET_TYPE)
  },
  'that is a token for a server': (_good, sid) => scene.keys.sign(claims({ sid }), 'JWT'),
  'that is signed as links are': (_good, sid) =>
    scene.keys.signForSelf(claims({ sid }), CLIENT_SECRET_TYPE),
  'that has expired': (_good, sid) =>
    scene.keys.sign(claims({ sid, iat: 1, exp: 2 }), CLIENT_SECRET_TYPE),
  'with another payload': async (good) => {
    const [head, , signature] = good.split('.')
    const payload = Buffer.from(JSON.stringify(claims({ sub: 'bob' }))).toString('base64url')
    return [head, payload, signature].join('.')
  },
  'of 10,000 characters': async (good) => good + 'a'.repeat(10_000 - good.length),
}

test.each(Object.entries(bad))(
  'a client secret %s is refused with 401 invalid_token',
  async (_name, make) => {
    const { secret, id } = await scene.session('alice')
    const token = await make(secret, id)
    const answer = await answerOf(await asAt(scene.url, { secret: token })(LIST))
    expectProblem(answer, 401, 'invalid_token')
    expect(answer.body).not.toContain(token.slice(0, 20))
    expect(scene.sample.server.requests()).toEqual([])
  },
)

test('the signature of a client secret is checked once, and its end with each request', async () => {
  const began = Date.now()
  const clock = vi.spyOn(Date, 'now').mockReturnValue(began)
  onTestFinished(() => clock.mockRestore())
  const { scene, session } = await start()
  const verify = vi.spyOn(scene.keys, 'verify')
  const ask = (secret = session.secret) => asAt(scene.url, { secret })(LIST)
  for (let count = 0; count < 3; count++) expect((await ask()).status).toBe(200)
  expect(verify).toHaveBeenCalledTimes(1)
  const [head, payload, signature = ''] = session.secret.split('.')
  const changed = `${signature[0] === 'A' ? 'B' : 'A'}${signature.slice(1)}`
  const asBob = Buffer.from(JSON.stringify(claims({ sub: 'bob', sid: session.id })))
  scene.sample.server.clearRequests()
  for (const other of [
    `${head}.${payload}.${changed}`,
    `${head}.${asBob.toString('base64url')}.${signature}`,
  ]) {
    expectProblem(await answerOf(await ask(other)), 401, 'invalid_token')
  }
  clock.mockReturnValue(began + 601_000)
  expectProblem(await answerOf(await ask()), 401, 'invalid_token')
  expect(scene.sample.server.requests()).toEqual([])
})

test('a client secret that was accepted is refused at another workflow, and when it has expired; its user is hashed once the key is there', async () => {
  const clock = stoppedClock(Date.now())
  let hashed: string | undefined
  const verify = createVerifyToken({
    workflows: new Map(
      [WORKFLOW, workflowName('other')].map((name) => [name, { name } as SelfHostedWorkflow]),
    ),
    publicUrl: ISSUER,
    keys: scene.keys,
    hashUser: () => hashed,
    failedAuth: { counted: async (_c, failure) => failure },
    now: clock.now,
  })
  const { secret } = await scene.session('alice')
  const facts: RequestFacts = {}
  const at = (name: string) =>
    verify(
      { req: { param: () => name }, var: { facts }, set() {} } as unknown as AppContext,
      secret,
      CLIENT_SECRET_TYPE,
    )
  expect(await at(WORKFLOW)).toMatchObject({ user: 'alice' })
  expect(facts.user).toBeUndefined()
  const [made, expected] = [WORKFLOW, 'other'].map((name) => `"chatkit:${name}"`)
  await expect(at('other')).rejects.toMatchObject({
    code: 'invalid_token',
    reason: `client secret: made for ${made}, expected ${expected}: the path names another workflow`,
  })
  hashed = 'hash of alice'
  expect(await at(WORKFLOW)).toMatchObject({ user: 'alice' })
  expect(facts.user).toBe('hash of alice')
  clock.advance(601)
  await expect(at(WORKFLOW)).rejects.toMatchObject({ reason: 'client secret: expired' })
})

test('the log says which issuer a client secret of ours has, once PUBLIC_URL is another', async () => {
  const { secret } = await scene.session('alice')
  const verify = createVerifyToken({
    workflows: new Map([[WORKFLOW, { name: WORKFLOW } as SelfHostedWorkflow]]),
    publicUrl: 'https://chat.example.com',
    keys: scene.keys,
    hashUser: () => undefined,
    failedAuth: { counted: async (_c, failure) => failure },
    now: Date.now,
  })
  const c = { req: { param: () => WORKFLOW }, var: { facts: {} } } as unknown as AppContext
  const refused = async (token: string) => {
    const error: unknown = await verify(c, token, CLIENT_SECRET_TYPE).catch((one) => one)
    return error instanceof ServiceError ? error.reason : error
  }
  expect(await refused(secret)).toBe(
    `client secret: its issuer is "${ISSUER}", expected PUBLIC_URL "https://chat.example.com"`,
  )
  const [head, , signature] = secret.split('.')
  const unsigned = Buffer.from(JSON.stringify(claims({ iss: 'https://evil.example' })))
  expect(await refused(`${head}.${unsigned.toString('base64url')}.${signature}`)).toBe(
    'client secret: not one of ours',
  )
  const foreign = Buffer.from('{"alg":"ES256","kid":"idp-1"}').toString('base64url')
  expect(await refused(`${foreign}.${unsigned.toString('base64url')}.${signature}`)).toMatch(
    /not signed by a key of this instance: send the client secret that POST \/v1\/sessions gave, not the token of the user;/,
  )
})

test('a client secret of a cancelled session is refused with 401 invalid_token', async () => {
  const session = await scene.session('alice')
  expect((await asAt(scene.url, session)(LIST)).status).toBe(200)
  await scene.registry.beginCancel(session.id, Math.floor(Date.now() / 1000))
  scene.sample.server.clearRequests()
  expectProblem(await answerOf(await asAt(scene.url, session)(LIST)), 401, 'invalid_token')
  expect(scene.sample.server.requests()).toEqual([])
})

test('a request without a client secret as its bearer token is refused with 401 missing_token', async () => {
  const { secret } = await scene.session('alice')
  const headers: Record<string, string>[] = [
    {},
    { cookie: `token=${secret}` },
    { authorization: `Basic ${secret}` },
    { authorization: 'Bearer ' },
  ]
  for (const each of headers) {
    const answer = await answerOf(await ask(scene.url, LIST, { headers: each }))
    expectProblem(answer, 401, 'missing_token')
  }
  expect(scene.sample.server.requests()).toEqual([])
})

test('a request with two client secrets is refused with 400 invalid_request', async () => {
  const { secret } = await scene.session('alice')
  const connection = await openRaw(scene.origin)
  const bearer = `Authorization: Bearer ${secret}`
  connection.send(rawRequest(`POST /chatkit/${WORKFLOW}`, { headers: [bearer, bearer] }))
  expectProblem(await connection.next(), 400, 'invalid_request')
  connection.destroy()
})

test('an unknown or hosted workflow is 404, with a client secret and without', async () => {
  const { secret } = await scene.session('alice')
  const url = `${scene.origin}/chatkit/hosted`
  expectProblem(await answerOf(await asAt(url, { secret })(LIST)), 404, 'not_found')
  expectProblem(await answerOf(await ask(url, LIST)), 404, 'not_found')
})

const CREATE = ['threads.create', { input: input('hi') }] as const

test('a run of the model beyond the limit of its session in a minute is refused with 429 rate_limited', async () => {
  const { scene: limited, alice } = await start({ workflow: { maxRequestsPerMinute: 2 } })
  const runs = [await alice(CREATE), await alice(CREATE)]
  expect(
    await Promise.all(runs.map(async (run) => [run.status, (await eventsOf(run)).length > 0])),
  ).toEqual([
    [200, true],
    [200, true],
  ])
  const answer = await answerOf(await alice(CREATE))
  expectProblem(answer, 429, 'rate_limited')
  expect(Number(answer.headers['retry-after'])).toBeLessThanOrEqual(60)
  expect(limited.sample.server.requests()).toHaveLength(2)
  const other = asAt(limited.url, await limited.session('alice'))
  expect((await other(CREATE)).status).toBe(200)
})

test('reads have a limit of their own, ten times that of runs: neither uses up the other', async () => {
  const { scene: limited, alice } = await start({ workflow: { maxRequestsPerMinute: 1 } })
  expect((await alice(CREATE)).status).toBe(200)
  for (let at = 0; at < 10; at++) expect((await alice(LIST)).status).toBe(200)
  limited.sample.server.clearRequests()
  expectProblem(await answerOf(await alice(LIST)), 429, 'rate_limited')
  expectProblem(await answerOf(await alice(CREATE)), 429, 'rate_limited')
  const other = asAt(limited.url, await limited.session('alice'))
  for (let at = 0; at < 10; at++) await other(LIST)
  limited.sample.server.clearRequests()
  expectProblem(await answerOf(await other(LIST)), 429, 'rate_limited')
  expect(limited.sample.server.requests()).toEqual([])
  expect((await other(CREATE)).status).toBe(200)
})

test('a message that cannot be read counts as a read, and not as a run of the model', async () => {
  const { scene: limited, alice } = await start({ workflow: { maxRequestsPerMinute: 1 } })
  const bad = ['threads.create', { input: 7 }] as const
  for (let at = 0; at < 10; at++) {
    expectProblem(await answerOf(await alice(bad)), 400, 'invalid_request')
  }
  expectProblem(await answerOf(await alice(bad)), 429, 'rate_limited')
  expectProblem(await answerOf(await alice(LIST)), 429, 'rate_limited')
  expect(limited.sample.server.requests()).toEqual([])
  expect((await alice(CREATE)).status).toBe(200)
  expectProblem(await answerOf(await alice(bad)), 429, 'rate_limited')
})

test('a message of an unknown type counts as a run of the model', async () => {
  const gateway = { allowUnknownTypes: true }
  const { alice } = await start({ gateway, workflow: { maxRequestsPerMinute: 1 } })
  const unknown = ['threads.purge', {}] as const
  expectProblem(await answerOf(await alice(unknown)), 400, 'server_refused')
  expectProblem(await answerOf(await alice(unknown)), 429, 'rate_limited')
})

test('a message in a thread of nobody counts as a run, so that ids cannot be tried without a limit', async () => {
  const { alice } = await start({ workflow: { maxRequestsPerMinute: 1 } })
  const guess = ['threads.add_user_message', { thread_id: 'thr_1', input: input('hi') }] as const
  expectProblem(await answerOf(await alice(guess)), 404, 'not_found')
  expectProblem(await answerOf(await alice(guess)), 429, 'rate_limited')
})

test.each([
  [{ 'content-type': 'application/json', 'content-encoding': 'gzip' }, 415],
  [{ 'content-type': 'text/plain' }, 415],
  [{ 'content-type': 'multipart/form-data; boundary=b' }, 400],
])(
  'a request with %j, which is refused with %i unread, counts as a read',
  async (headers, status) => {
    const { scene: limited } = await start({ workflow: { maxRequestsPerMinute: 1 } })
    const { secret } = await limited.session('carol')
    const authorization = `Bearer ${secret}`
    const send = async () => {
      const sent = { method: 'POST', headers: { ...headers, authorization }, body: 'x' }
      return (await fetch(limited.url, sent)).status
    }
    for (let at = 0; at < 10; at++) expect(await send()).toBe(status)
    expect(await send()).toBe(429)
  },
)

const RUNS = new Set<string>([
  'threads.create',
  'threads.add_user_message',
  'threads.add_client_tool_output',
  'threads.add_structured_input',
  'threads.retry_after_item',
  'threads.custom_action',
  'threads.sync_custom_action',
  'input.transcribe',
])

test.each(REQUEST_TYPES)(
  'a request of type %s counts as a run if it runs the model, else as a read',
  async (type) => {
    const { registry } = scene
    const used: string[] = []
    const counted = {
      ...registry,
      useSession(use: SessionUse) {
        used.push(use.counts)
        return registry.useSession(use)
      },
    }
    const { alice } = await start({ registry: counted })
    const params = await workingParams(type, alice)
    used.length = 0
    await (await alice([type, params])).text()
    expect(used).toEqual(['nothing', RUNS.has(type) ? 'run' : 'read'])
  },
)

test('a request is refused with 503 while the store is down', async () => {
  const registry = createSqliteRegistry({ path: ':memory:' })
  const { scene: broken, alice } = await start({ registry })
  registry.useSession = async () => {
    throw new ServiceError('store_unavailable', { reason: 'down' })
  }
  expectProblem(await answerOf(await alice(LIST)), 503, 'store_unavailable')
  expect(broken.sample.server.requests()).toEqual([])
})
