import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from 'jose'
import { beforeEach, expect, test } from 'vitest'
import { USER_AGENT } from '../../src/lib/version.ts'
import { forAllTests } from '../support/started.ts'
import { asAt, createThread, ISSUER, startScene } from './scene.ts'

const scene = forAllTests(() => startScene())
beforeEach(() => scene.sample.server.clearRequests())

function seen() {
  const [request] = scene.sample.server.requests()
  if (request === undefined) throw new Error('the server saw nothing')
  return request
}

test('the server gets no header of the client except its content type and what it accepts', async () => {
  const session = await scene.session('alice')
  const pretended = {
    accept: 'text/event-stream',
    'accept-language': 'de-CH, de;q=0.9',
    'accept-encoding': 'gzip, br',
    cookie: 'session=abc',
    forwarded: 'for=1.2.3.4',
    'x-forwarded-for': '1.2.3.4',
    'x-forwarded-host': 'evil.example',
    'x-real-ip': '1.2.3.4',
    'x-chatkit-user': 'bob',
    'x-chatkit-session': 'cksess_bob',
    'x-chatkit-admin': 'true',
    'x-request-id': 'mine',
    'user-agent': 'curl',
    'x-custom': '1',
  }
  const response = await asAt(scene.url, session)(['threads.list', {}], { headers: pretended })
  const { headers } = seen()
  expect(headers).toEqual({
    host: expect.any(String),
    connection: 'keep-alive',
    'content-length': expect.any(String),
    'content-type': 'application/json',
    accept: 'text/event-stream',
    'accept-language': 'de-CH, de;q=0.9',
    authorization: expect.stringMatching(/^Bearer eyJ/),
    'user-agent': USER_AGENT,
    'accept-encoding': 'identity',
    'x-chatkit-user': 'alice',
    'x-chatkit-session': session.id,
    'x-request-id': response.headers.get('x-request-id'),
  })
  expect(headers['authorization']).not.toContain(session.secret)
})

test('the server gets a user of any characters, percent-encoded', async () => {
  const user = 'https://issuer.test/|Zoë, "%0d%0a" 🙂'
  await asAt(scene.url, await scene.session(user))(['threads.list', {}])
  const given = seen().headers['x-chatkit-user'] ?? ''
  expect(given).toMatch(/^[\w%.!~*'()-]+$/)
  expect(decodeURIComponent(given)).toBe(user)
})

test('the server gets a token for itself with user, session and state, and the public keys verify it', async () => {
  const state = { plan: 'pro', seats: 3, beta: true }
  const session = await scene.session('alice', { state })
  await asAt(scene.url, session)(['threads.list', {}])
  const token = (seen().headers['authorization'] ?? '').replace('Bearer ', '')
  const keys = createLocalJWKSet(scene.keys.publicKeys as JSONWebKeySet)
  const { payload, protectedHeader } = await jwtVerify(token, keys, {
    issuer: ISSUER,
    audience: scene.sample.url,
    typ: 'JWT',
  })
  expect(payload).toMatchObject({ sub: 'alice', sid: session.id, state, jti: expect.any(String) })
  expect((payload.exp ?? 0) - (payload.iat ?? 0)).toBeLessThanOrEqual(60)
  expect(JSON.stringify(scene.keys.publicKeys)).not.toContain('"d"')
  expect(protectedHeader.kid).toBe(scene.keys.publicKeys.keys[0]?.kid)
})

test('the token for the server does not work as a client secret', async () => {
  const session = await scene.session('alice')
  await asAt(scene.url, session)(['threads.list', {}])
  const secret = (seen().headers['authorization'] ?? '').replace('Bearer ', '')
  expect((await asAt(scene.url, { secret })(['threads.list', {}])).status).toBe(401)
})

test('the server gets the bytes as they came, and no query', async () => {
  const { secret } = await scene.session('alice')
  const body = '{ "params": { "limit":  3 },\n\t"type":"threads.list", "extra": "\\u00e9" }'
  const headers = { authorization: `Bearer ${secret}`, 'content-type': 'application/json' }
  await fetch(`${scene.url}?admin=1`, { method: 'POST', headers, body })
  expect(seen()).toMatchObject({ body, path: '/chatkit', method: 'POST' })
})
test('an answer has the headers of every answer of this service, and none of the server’s', async () => {
  const alice = asAt(scene.url, await scene.session('alice'))
  const { id: thread_id } = await createThread(alice)
  const answer = await alice(['threads.get_by_id', { thread_id }])
  const names = [...answer.headers.keys()].filter((name) => !['date', 'connection'].includes(name))
  expect(names.toSorted()).toEqual([
    'cache-control',
    'content-length',
    'content-type',
    'keep-alive',
    'x-content-type-options',
    'x-request-id',
  ])
  expect(answer.headers.get('cache-control')).toBe('no-store')
})

test('the log names the user by a hash, and holds neither the client secret nor a message', async () => {
  const { secret, id } = await scene.session('alice-in-the-log')
  scene.lines.length = 0
  await createThread(asAt(scene.url, { secret }), 'planted-words')
  expect(scene.lines).toMatchObject([
    { msg: 'request', user: 'hash of alice-in-the-log', workflow: 'helpdesk', session: id },
  ])
  expect(JSON.stringify(scene.lines)).not.toContain(secret)
  expect(JSON.stringify(scene.lines)).not.toContain('planted-words')
})
