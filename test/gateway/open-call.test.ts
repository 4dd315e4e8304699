import { SignJWT } from 'jose'
import { beforeEach, expect, test } from 'vitest'
import { CLIENT_SECRET_TYPE } from '../../src/chatkit/signing/client-secret.ts'
import { makeSigningKeys, readSigningKeys } from '../../src/chatkit/signing/signing-keys.ts'
import { ServiceError } from '../../src/lib/errors.ts'
import { createSqliteRegistry } from '../../src/registry/sqlite.ts'
import { ask } from '../support/chatkit/server-client.ts'
import { workflowName } from '../support/ids.ts'
import { answerOf, expectProblem } from '../support/problem-answer.ts'
import { openRaw, rawRequest } from '../support/raw-http.ts'
import { forAllTests } from '../support/started.ts'
import { asAt, ISSUER, startScene, WORKFLOW } from './scene.ts'
import { start } from './scripted-server.ts'

const scene = forAllTests(() => startScene())
beforeEach(() => scene.sample.server.clearRequests())

const LIST = ['threads.list', {}] as const

function claims(changed: Record<string, unknown> = {}) {
  const iat = Math.floor(Date.now() / 1000)
  const all = { iss: ISSUER, aud: `chatkit:${WORKFLOW}`, sub: 'alice', sid: 'cksess_x' }
  return { ...all, jti: 'jti_x', iat, exp: iat + 60, ...changed }
}

const bad: Record<string, (good: string, id: string) => Promise<string>> = {
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
    (await readSigningKeys(await makeSigningKeys(), 't')).sign(claims({ sid }), CLIENT_SECRET_TYPE),
  'of another user’s session': (_good, sid) =>
    scene.keys.sign(claims({ sid, sub: 'bob' }), CLIENT_SECRET_TYPE),
  'of a session of another workflow': async () => {
    const { id: sid } = await scene.session('alice', { workflow: workflowName('other') })
    return scene.keys.sign(claims({ sid }), CLIENT_SECRET_TYPE)
  },
  'that is a token for a server': (_good, sid) => scene.keys.sign(claims({ sid }), 'JWT'),
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

test('a request beyond the limit of its session in a minute is refused with 429 rate_limited', async () => {
  const { scene: limited, alice } = await start({ workflow: { maxRequestsPerMinute: 2 } })
  expect([(await alice(LIST)).status, (await alice(LIST)).status]).toEqual([200, 200])
  const answer = await answerOf(await alice(LIST))
  expectProblem(answer, 429, 'rate_limited')
  expect(Number(answer.headers['retry-after'])).toBeLessThanOrEqual(60)
  expect(limited.sample.server.requests()).toHaveLength(2)
  const other = asAt(limited.url, await limited.session('alice'))
  expect((await other(LIST)).status).toBe(200)
})

test('a request is refused with 503 while the store is down', async () => {
  const registry = createSqliteRegistry({ path: ':memory:' })
  const { scene: broken, alice } = await start({ registry })
  registry.useSession = async () => {
    throw new ServiceError('store_unavailable', { reason: 'down' })
  }
  expectProblem(await answerOf(await alice(LIST)), 503, 'store_unavailable')
  expect(broken.sample.server.requests()).toEqual([])
})
