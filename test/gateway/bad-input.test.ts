import { setTimeout as wait } from 'node:timers/promises'
import { SignJWT } from 'jose'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { CLIENT_SECRET_TYPE } from '../../src/chatkit/signing/client-secret.ts'
import { makeSigningKeys, readSigningKeys } from '../../src/chatkit/signing/signing-keys.ts'
import { ServiceError } from '../../src/lib/errors.ts'
import { createMemoryRegistry } from '../../src/registry/memory.ts'
import { ask, eventsOf, input } from '../support/chatkit/server-client.ts'
import { answerOf, expectProblem } from '../support/problem-answer.ts'
import { openRaw, rawRequest } from '../support/raw-http.ts'
import { asAt, createThread, ISSUER, type Scene, startScene, WORKFLOW } from './scene.ts'

let scene: Scene
beforeAll(async () => {
  scene = await startScene({ limits: { bodyMs: 300 } })
})
afterAll(() => scene.close())
beforeEach(() => scene.sample.server.clearRequests())

/** More than an answer may have. */
const HUGE = 'x'.repeat(17 * 1024 * 1024)

const LIST = ['threads.list', {}] as const

function claims(changed: Record<string, unknown> = {}) {
  const iat = Math.floor(Date.now() / 1000)
  const all = { iss: ISSUER, aud: `chatkit:${WORKFLOW}`, sub: 'alice', sid: 'cksess_x' }
  return { ...all, jti: 'jti_x', iat, exp: iat + 60, ...changed }
}

describe('the client secret', () => {
  const bad: Record<string, (good: string, id: string) => Promise<string>> = {
    'of a session that is not on the books': () => scene.keys.sign(claims(), CLIENT_SECRET_TYPE),
    'of a hosted session': async () => 'ek_68e5f7a1b2c3d4e5f60718293a4b5c6d',
    'that is a user’s own JWT': () =>
      new SignJWT({ sub: 'alice' })
        .setProtectedHeader({ alg: 'HS256' })
        .sign(Buffer.alloc(32, 'a shared secret')),
    'for another workflow': async (_good, sid) =>
      scene.keys.sign(claims({ sid, aud: 'chatkit:other' }), CLIENT_SECRET_TYPE),
    'of another issuer': async (_good, sid) =>
      scene.keys.sign(claims({ sid, iss: 'https://evil.example' }), CLIENT_SECRET_TYPE),
    'signed by another': async (_good, sid) =>
      (await readSigningKeys(await makeSigningKeys(), 't')).sign(
        claims({ sid }),
        CLIENT_SECRET_TYPE,
      ),
    'of another user’s session': (_good, sid) =>
      scene.keys.sign(claims({ sid, sub: 'bob' }), CLIENT_SECRET_TYPE),
    'of a session of another workflow': async () => {
      const { id: sid } = await scene.session('alice', { workflow: 'other' })
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

  test.each(Object.entries(bad))('%s: 401 invalid_token', async (_name, make) => {
    const { secret, id } = await scene.session('alice')
    const token = await make(secret, id)
    const answer = await answerOf(await asAt(scene.url, { secret: token })(LIST))
    expectProblem(answer, 401, 'invalid_token')
    expect(answer.body).not.toContain(token.slice(0, 20))
    expect(scene.sample.server.requests()).toEqual([])
  })

  test('of a cancelled session: 401 invalid_token', async () => {
    const session = await scene.session('alice')
    expect((await asAt(scene.url, session)(LIST)).status).toBe(200)
    await scene.registry.beginCancel(session.id, Math.floor(Date.now() / 1000))
    scene.sample.server.clearRequests()
    expectProblem(await answerOf(await asAt(scene.url, session)(LIST)), 401, 'invalid_token')
    expect(scene.sample.server.requests()).toEqual([])
  })

  test('missing, in a cookie, or of another scheme: 401 missing_token', async () => {
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

  test('given twice: 400', async () => {
    const { secret } = await scene.session('alice')
    const connection = await openRaw(scene.origin)
    const bearer = `Authorization: Bearer ${secret}`
    connection.send(rawRequest(`POST /chatkit/${WORKFLOW}`, { headers: [bearer, bearer] }))
    expectProblem(await connection.next(), 400, 'invalid_request')
    connection.destroy()
  })
})

test('an unknown or hosted workflow is 404, whatever is brought', async () => {
  const { secret } = await scene.session('alice')
  const url = `${scene.origin}/chatkit/hosted`
  expectProblem(await answerOf(await asAt(url, { secret })(LIST)), 404, 'not_found')
  expectProblem(await answerOf(await ask(url, LIST)), 404, 'not_found')
})

test('the session’s requests in a minute are limited', async () => {
  const limited = await startScene({ workflow: { maxRequestsPerMinute: 2 } })
  const session = await limited.session('alice')
  const alice = asAt(limited.url, session)
  expect([(await alice(LIST)).status, (await alice(LIST)).status]).toEqual([200, 200])
  const answer = await answerOf(await alice(LIST))
  expectProblem(answer, 429, 'rate_limited')
  expect(Number(answer.headers['retry-after'])).toBeLessThanOrEqual(60)
  expect(limited.sample.server.requests()).toHaveLength(2)
  const other = asAt(limited.url, await limited.session('alice'))
  expect((await other(LIST)).status).toBe(200)
  await limited.close()
})

describe('the body', () => {
  const post = async (
    body: NonNullable<RequestInit['body']>,
    headers: Record<string, string> = {},
  ) => {
    const { secret } = await scene.session('alice')
    const all = {
      authorization: `Bearer ${secret}`,
      'content-type': 'application/json',
      ...headers,
    }
    return answerOf(await fetch(scene.url, { method: 'POST', headers: all, body }))
  }

  test.each([
    ['not JSON', '{"type":'],
    ['an array', '[]'],
    ['empty', ''],
    ['without a type', '{"params":{}}'],
    ['with a repeated key', '{"type":"threads.list","params":{},"params":{"thread_id":"thr_1"}}'],
    ['with a second spelling of params', '{"type":"threads.list","params":{},"Params":{}}'],
    ['with __proto__', '{"type":"threads.list","params":{"__proto__":{}}}'],
    ['with a thread_id that is none', '{"type":"threads.get_by_id","params":{"thread_id":7}}'],
    ['without its thread_id', '{"type":"threads.get_by_id","params":{}}'],
    ['of an unknown type', '{"type":"threads.purge","params":{}}'],
    ['with a byte order mark', '\ufeff{"type":"threads.list","params":{}}'],
    ['nested too deeply', `{"type":"threads.list","params":${'['.repeat(100)}${']'.repeat(100)}}`],
    [
      'with 300 ids',
      JSON.stringify({
        type: 'threads.list',
        params: { thread_ids: Array.from({ length: 300 }, (_, at) => `thr_${at}`) },
      }),
    ],
  ])('%s: 400', async (_name, body) => {
    expectProblem(await post(body), 400, 'invalid_request')
    expect(scene.sample.server.requests()).toEqual([])
  })

  test('that is not UTF-8: 400', async () => {
    const body = Buffer.from('{"type":"threads.list","params":{"x":"\xff"}}', 'latin1')
    expectProblem(await post(new Uint8Array(body)), 400, 'invalid_request')
  })

  test.each([
    'text/plain',
    'application/x-www-form-urlencoded',
    'application/json; charset=utf-16',
  ])('of type %s: 415', async (type) => {
    const body = '{"type":"threads.list","params":{}}'
    expectProblem(await post(body, { 'content-type': type }), 415, 'unsupported_media_type')
  })

  test('with a Content-Encoding: 415', async () => {
    const answer = await post('x', { 'content-encoding': 'gzip' })
    expectProblem(answer, 415, 'unsupported_media_type')
  })

  test('of 11 MB: 413, by length and in chunks; of 9 MB it passes', async () => {
    const { secret } = await scene.session('alice')
    const json = (bytes: number) =>
      JSON.stringify({
        type: 'input.transcribe',
        params: { audio_base64: 'A'.repeat(bytes), mime_type: 'audio/wav' },
      })
    const connection = await openRaw(scene.origin)
    const head = [`Authorization: Bearer ${secret}`, 'Content-Type: application/json']
    const length = `Content-Length: ${11 * 1024 * 1024}`
    connection.send(rawRequest(`POST /chatkit/${WORKFLOW}`, { headers: [...head, length] }))
    expectProblem(await connection.next(), 413, 'body_too_large')
    connection.destroy()

    const chunked = await openRaw(scene.origin)
    const transfer = 'Transfer-Encoding: chunked'
    chunked.send(rawRequest(`POST /chatkit/${WORKFLOW}`, { headers: [...head, transfer] }))
    const megabyte = `100000\r\n${'x'.repeat(1024 * 1024)}\r\n`
    for (let sent = 0; sent < 11; sent++) chunked.send(megabyte)
    expectProblem(await chunked.next(), 413, 'body_too_large')
    chunked.destroy()
    expect(scene.sample.server.requests()).toEqual([])
    expect((await post(json(9 * 1024 * 1024))).status).toBe(200)
  })

  test('that does not come: 408', async () => {
    const { secret } = await scene.session('alice')
    const connection = await openRaw(scene.origin)
    const head = [`Authorization: Bearer ${secret}`, 'Content-Type: application/json']
    connection.send(
      rawRequest(`POST /chatkit/${WORKFLOW}`, { headers: [...head, 'Content-Length: 100'] }),
    )
    connection.send('{"type"')
    expectProblem(await connection.next(), 408, 'request_timeout')
    connection.destroy()
    expect(scene.sample.server.requests()).toEqual([])
  })
})

test('unknown types pass where the config says so, under the same check', async () => {
  const open = await startScene({ gateway: { allowUnknownTypes: true } })
  const alice = asAt(open.url, await open.session('alice'))
  const { id } = await createThread(asAt(open.url, await open.session('bob')))
  open.sample.server.clearRequests()
  expect((await alice(['threads.purge', { thread_id: id }])).status).toBe(404)
  expect(open.sample.server.requests()).toEqual([])
  // The sample server does not know it either.
  expectProblem(await answerOf(await alice(['threads.purge', {}])), 502, 'upstream_rejected')
  expect(open.sample.server.requests()).toMatchObject([{ type: 'threads.purge' }])
  await open.close()
})

describe('adopt_threads', () => {
  test('a thread that nobody owns is the first asker’s; one that is not there is nobody’s', async () => {
    const adopting = await startScene({ workflow: { adoptThreads: true } })
    const alice = asAt(adopting.url, await adopting.session('alice'))
    const bob = asAt(adopting.url, await adopting.session('bob'))
    const made = await eventsOf(
      await ask(adopting.sample.url, ['threads.create', { input: input('old') }]),
    )
    const [created = {}] = made
    const { id: thread_id } = created['thread'] as { id: string }
    expect((await alice(['threads.get_by_id', { thread_id }])).status).toBe(200)
    expect((await bob(['threads.get_by_id', { thread_id }])).status).toBe(404)
    const absent = { thread_id: 'thr_00000000' }
    expect((await alice(['threads.get_by_id', absent])).status).toBe(404)
    const owned = { workflow: WORKFLOW, kind: 'thread', id: absent.thread_id } as const
    expect(await adopting.registry.ownersOf([owned])).toEqual([undefined])
    await adopting.close()
  })
})

describe('a server that', () => {
  const faults = [
    ['is down', { down: true }, 503, 'upstream_unavailable'],
    ['fails', { status: 500 }, 503, 'upstream_unavailable'],
    ['refuses', { status: 422 }, 502, 'upstream_rejected'],
    ['has nothing of the kind', { status: 404 }, 404, 'not_found'],
    ['redirects', { status: 302 }, 502, 'upstream_invalid_response'],
    ['has too much to do', { status: 429 }, 503, 'upstream_rate_limited'],
    ['answers HTML', { status: 200, body: '<h1>hi</h1>' }, 502, 'upstream_invalid_response'],
    ['answers 17 MB', { status: 200, body: { x: HUGE } }, 502, 'upstream_invalid_response'],
    ['answers half', { status: 200, body: '{"data":' }, 502, 'upstream_invalid_response'],
    [
      'answers a list that is none',
      { status: 200, body: { data: 7 } },
      502,
      'upstream_invalid_response',
    ],
  ] as const

  test.each(faults)('%s', async (_name, fault, status, code) => {
    const alice = asAt(scene.url, await scene.session('alice'))
    scene.sample.server.setFaults(fault)
    const answer = await answerOf(await alice(LIST))
    scene.sample.server.setFaults({})
    expectProblem(answer, status, code)
    expect(answer.body).not.toContain('OpenAI')
  })

  test('does not answer: 504', async () => {
    const slow = await startScene({ limits: { answerMs: 200, idleMs: 200 } })
    const alice = asAt(slow.url, await slow.session('alice'))
    slow.sample.server.setFaults({ hang: true })
    expectProblem(await answerOf(await alice(LIST)), 504, 'upstream_timeout')
    const create = alice(['threads.create', { input: input('hi') }])
    expectProblem(await answerOf(await create), 504, 'upstream_timeout')
    await slow.close()
  })

  test('answers with another thread than was asked for: 502', async () => {
    const session = await scene.session('alice')
    const alice = asAt(scene.url, session)
    const { id: thread_id } = await createThread(alice)
    const body = { id: 'thr_other', created_at: 1 }
    scene.sample.server.setFaults({ status: 200, body })
    const answers = [
      await answerOf(await alice(['threads.get_by_id', { thread_id }])),
      await answerOf(await alice(['threads.update', { thread_id, title: 'x' }])),
    ]
    scene.sample.server.setFaults({})
    for (const answer of answers) expectProblem(answer, 502, 'upstream_invalid_response')
  })

  test('makes an attachment with another user’s id: 502', async () => {
    const params = { name: 'a', size: 1, mime_type: 'text/plain' }
    const bob = asAt(scene.url, await scene.session('bob'))
    const { id } = (await (await bob(['attachments.create', params])).json()) as { id: string }
    const alice = asAt(scene.url, await scene.session('alice'))
    scene.sample.server.setFaults({ status: 200, body: { id, name: 'a', mime_type: 'text/plain' } })
    const answer = await answerOf(await alice(['attachments.create', params]))
    scene.sample.server.setFaults({})
    expectProblem(answer, 502, 'upstream_invalid_response')
    expect(answer.body).not.toContain(id)
  })
})

test('a client that leaves before the answer takes its request along', async () => {
  const { secret } = await scene.session('alice')
  scene.sample.server.setFaults({ hang: true, times: 1 })
  const leaving = new AbortController()
  const gone = asAt(scene.url, { secret })(LIST, { signal: leaving.signal }).catch(() => undefined)
  while (scene.sample.server.requests().length === 0) await wait(5)
  leaving.abort()
  await gone
  await expect
    .poll(() => scene.sample.server.requests()[0]?.outcome, { timeout: 5000 })
    .toBe('client_gone')
  scene.sample.server.setFaults({})
})

test('a store that is down lets nobody through', async () => {
  const registry = createMemoryRegistry()
  const broken = await startScene({ registry })
  const session = await broken.session('alice')
  registry.useSession = async () => {
    throw new ServiceError('store_unavailable', {
      reason: 'down',
    })
  }
  expectProblem(await answerOf(await asAt(broken.url, session)(LIST)), 503, 'store_unavailable')
  expect(broken.sample.server.requests()).toEqual([])
  await broken.close()
})
