import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { type IncomingMessage, request } from 'node:http'
import type { Writable } from 'node:stream'
import { setTimeout as wait } from 'node:timers/promises'
import { beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import { input } from '../support/chatkit/server-client.ts'
import { answerOf, expectProblem } from '../support/problem-answer.ts'
import { openRaw, rawRequest } from '../support/raw-http.ts'
import { forAllTests } from '../support/started.ts'
import { asAt, createThread, startScene, WORKFLOW } from './scene.ts'
import { rest, start, startScripted } from './scripted-server.ts'

const scene = forAllTests(() => startScene())
beforeEach(() => scene.sample.server.clearRequests())

async function post(body: NonNullable<RequestInit['body']>, headers: Record<string, string> = {}) {
  const { secret } = await scene.session('alice')
  const usual = { authorization: `Bearer ${secret}`, 'content-type': 'application/json' }
  return answerOf(
    await fetch(scene.url, { method: 'POST', headers: { ...usual, ...headers }, body }),
  )
}

test.each([
  ['that is not JSON', '{"type":'],
  ['that is an array', '[]'],
  ['that is empty', ''],
  ['without a type', '{"params":{}}'],
  ['with a repeated key', '{"type":"threads.list","params":{},"params":{"thread_id":"thr_1"}}'],
  ['with a second spelling of params', '{"type":"threads.list","params":{},"Params":{}}'],
  ['with __proto__', '{"type":"threads.list","params":{"__proto__":{}}}'],
  ['with a thread_id that is a number', '{"type":"threads.get_by_id","params":{"thread_id":7}}'],
  ['without its thread_id', '{"type":"threads.get_by_id","params":{}}'],
  ['of an unknown type', '{"type":"threads.purge","params":{}}'],
  [
    'that is not UTF-8',
    Uint8Array.from(Buffer.from('{"type":"threads.list","params":{"x":"\xff"}}', 'latin1')),
  ],
  ['with a byte order mark', '\ufeff{"type":"threads.list","params":{}}'],
  [
    'that is nested too deeply',
    `{"type":"threads.list","params":${'['.repeat(100)}${']'.repeat(100)}}`,
  ],
  [
    'with 300 ids',
    JSON.stringify({
      type: 'threads.list',
      params: { thread_ids: Array.from({ length: 300 }, (_, at) => `thr_${at}`) },
    }),
  ],
])('a body %s is refused with 400', async (_name, body) => {
  expectProblem(await post(body), 400, 'invalid_request')
  expect(scene.sample.server.requests()).toEqual([])
})

test.each([
  ['not a request of the ChatKit protocol: not JSON', '{"type":'],
  ['not a request of the ChatKit protocol: a repeated key', '{"type":"x","type":"y"}'],
  ['more than 100000 values', `{"type":"x","params":{"a":[${'1,'.repeat(100_000)}1]}}`],
  ['params.order" Invalid option', '{"type":"threads.list","params":{"order":"x-secret"}}'],
  [
    'params.input.content.0" Invalid input: expected string, received number',
    '{"type":"threads.create","params":{"input":{"content":[{"type":"x","text":7}]}}}',
  ],
  ['Params" differs from a field', '{"type":"threads.list","params":{},"Params":{}}'],
  ['a request of the unknown type "threads.purge"', '{"type":"threads.purge"}'],
  [
    'an id of nobody: thread "thr_0"',
    '{"type":"threads.get_by_id","params":{"thread_id":"thr_0"}}',
  ],
  [
    'an id that no store can hold: attachment "a?"',
    '{"type":"attachments.delete","params":{"attachment_id":"a\\n"}}',
  ],
])('why a request is refused is in the log: %s', async (why, body) => {
  const before = scene.lines.length
  expect((await post(body)).status).toBeGreaterThan(399)
  const reason = scene.lines.slice(before).find((line) => 'reason' in line)?.['reason']
  expect(reason).toContain(why)
  expect(reason).not.toContain('secret')
})

test.each([
  ['content-type', 'text/plain'],
  ['content-type', 'application/x-www-form-urlencoded'],
  ['content-type', 'application/json; charset=utf-16'],
  ['content-encoding', 'gzip'],
])('a body with the %s %s is refused with 415', async (name, value) => {
  const body = '{"type":"threads.list","params":{}}'
  expectProblem(await post(body, { [name]: value }), 415, 'unsupported_media_type')
})

test('a body of length 0 counts as none, whatever its type, and is refused with 400', async () => {
  for (const type of ['text/plain', 'multipart/form-data', '']) {
    expectProblem(await post('', { 'content-type': type }), 400, 'invalid_request')
  }
})

test('a body with `Content-Encoding: Identity`, in any case, is read', async () => {
  const list = JSON.stringify({ type: 'threads.list', params: {} })
  expect((await post(list, { 'content-encoding': 'Identity' })).status).toBe(200)
})

test('a body of 11 MB is refused with 413, with a length or in chunks, and one of 9 MB passes', async () => {
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

test.each([
  ['does not arrive', { bodyMs: 300 }, 100, 408, 'request_timeout'],
  ['declares too much', { userMemoryBytes: 10_000 }, 20_000, 503, 'overloaded'],
] as const)(
  'a body that %s is refused before its end',
  async (_name, gateway, length, status, code) => {
    const { scene: strict, session } = await start({ gateway })
    const connection = await openRaw(strict.origin)
    const head = [`Authorization: Bearer ${session.secret}`, 'Content-Type: application/json']
    const headers = [...head, `Content-Length: ${length}`]
    connection.send(rawRequest(`POST /chatkit/${WORKFLOW}`, { headers }))
    connection.send('{"type"')
    expectProblem(await connection.next(), status, code)
    connection.destroy()
    expect(strict.sample.server.requests()).toEqual([])
  },
)

test.each([65_536, 65_537])('a body of %d bytes reaches the server as it came', async (bytes) => {
  const begin = '{"type":"input.transcribe","params":{"mime_type":"audio/wav","audio_base64":"'
  const json = `${begin}${'A'.repeat(bytes - begin.length - 3)}"}}`
  scene.sample.server.clearRequests()
  expect((await post(json)).status).toBe(200)
  expect(json).toHaveLength(bytes)
  expect(scene.sample.server.requests()).toMatchObject([{ bytes }])
})

test('a request of an unknown type may be answered with a stream', async () => {
  const { url, opened } = await startScripted()
  const { alice } = await start({ gateway: { allowUnknownTypes: true }, server: url })
  const { status, body } = await alice(['threads.purge', {}])
  expect(status).toBe(200)
  opened[0]?.end('data: {"type":"purged"}\n\n')
  const reader = body?.pipeThrough(new TextDecoderStream()).getReader()
  expect(reader && (await rest(reader))).toBe('data: {"type":"purged"}\n\n')
})

test('a request of an unknown type passes where the config says so, unless it names what is another user’s', async () => {
  const { scene: open, alice } = await start({ gateway: { allowUnknownTypes: true } })
  const { id } = await createThread(asAt(open.url, await open.session('bob')))
  open.sample.server.clearRequests()
  expect((await alice(['threads.purge', { thread_id: id }])).status).toBe(404)
  expect(open.sample.server.requests()).toEqual([])
  // The sample server does not know it either.
  const unknown = await answerOf(await alice(['threads.purge', {}]))
  expect(unknown.json()).toMatchObject({
    status: 400,
    code: 'server_refused',
    detail: "Unknown request type: 'threads.purge'.",
  })
  expect(open.sample.server.requests()).toMatchObject([{ type: 'threads.purge' }])
})

test('a request to the server ends when its client leaves before the answer', async () => {
  const { secret } = await scene.session('alice')
  scene.sample.server.setFaults({ hang: true, times: 1 })
  const leaving = new AbortController()
  const alice = asAt(scene.url, { secret })
  const gone = alice(['threads.list', {}], { signal: leaving.signal }).catch(() => undefined)
  while (scene.sample.server.requests().length === 0) await wait(5)
  leaving.abort()
  await gone
  await expect.poll(() => scene.sample.server.requests()[0]?.left, { timeout: 5000 }).toBe(true)
  scene.sample.server.setFaults({})
})

test('a client that has left while its request was checked: the server does not see it', async () => {
  const { scene: at, session } = await start()
  const { useSession } = at.registry
  const checked = Promise.withResolvers<void>()
  let uses = 0
  vi.spyOn(at.registry, 'useSession').mockImplementation(async (use) => {
    const outcome = await useSession(use)
    uses++
    if (uses === 2) await checked.promise
    return outcome
  })
  let left = false
  const onStart = (message: unknown) => {
    const { request: got, response } = message as { request: IncomingMessage; response: Writable }
    if (got.url === `/chatkit/${WORKFLOW}`) response.once('close', () => (left = true))
  }
  subscribe('http.server.request.start', onStart)
  onTestFinished(() => void unsubscribe('http.server.request.start', onStart))
  const headers = { authorization: `Bearer ${session.secret}`, 'content-type': 'application/json' }
  const sent = request(at.url, { method: 'POST', headers }).on('error', () => {})
  sent.end(JSON.stringify({ type: 'threads.create', params: { input: input('hi') } }))
  await expect.poll(() => uses).toBe(2)
  sent.destroy()
  await expect.poll(() => left).toBe(true)
  checked.resolve()
  await expect.poll(() => at.lines.some(({ route }) => route === '/chatkit/:workflow')).toBe(true)
  expect(at.sample.server.requests()).toEqual([])
})
