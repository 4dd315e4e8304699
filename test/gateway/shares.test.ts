import { type IncomingMessage, request } from 'node:http'
import { expect, onTestFinished, test, vi } from 'vitest'
import { input } from '../support/chatkit/server-client.ts'
import { asAt, createThread } from './scene.ts'
import { note, rest, start, startScripted } from './scripted-server.ts'

const WAIT = { timeout: 15_000 }
const MEBIBYTE = 1024 * 1024
const CREATE = ['threads.create', { input: input('hi') }] as const

/** Bodies that never end; each has sent a megabyte so far. */
function openBodies(url: string, secret: string, count: number) {
  const statuses: number[] = []
  const requests = Array.from({ length: count }, () => {
    const headers = {
      authorization: `Bearer ${secret}`,
      'content-type': 'application/json',
      'transfer-encoding': 'chunked',
    }
    const sent = request(url, { method: 'POST', headers }, (response) => {
      statuses.push(response.statusCode ?? 0)
      response.resume()
    })
    sent.on('error', () => {})
    sent.write(' '.repeat(MEBIBYTE))
    return sent
  })
  onTestFinished(() => {
    for (const sent of requests) sent.destroy()
  })
  return statuses
}

test('bodies of one user that never end take a quarter of the memory, and other users go on', async () => {
  const { scene, session } = await start({ gateway: { userMemoryBytes: 4 * MEBIBYTE } })
  const statuses = openBodies(scene.url, session.secret, 12)
  await vi.waitFor(() => expect(statuses.length).toBeGreaterThanOrEqual(8), WAIT)
  expect(new Set(statuses)).toEqual(new Set([503]))
  const bob = asAt(scene.url, await scene.session('bob'))
  expect((await bob(CREATE)).status).toBe(200)
})

test('bodies of many users that never end take all of the bounded memory, and no more', async () => {
  const { scene } = await start({ gateway: { memoryBytes: 8 * MEBIBYTE } })
  const statuses: number[][] = []
  for (let at = 0; at < 6; at++) {
    const { secret } = await scene.session(`user-${at}`)
    statuses.push(openBodies(scene.url, secret, 2))
  }
  await vi.waitFor(() => expect(statuses.flat().length).toBeGreaterThanOrEqual(4), WAIT)
  expect(new Set(statuses.flat())).toEqual(new Set([503]))
})

test('an answer that is too long for the memory is 503, and nothing of it is kept', async () => {
  const { scene, session } = await start({ gateway: { userMemoryBytes: MEBIBYTE / 4 } })
  const alice = asAt(scene.url, session)
  const text = 'x'.repeat(200 * 1024)
  const created = await alice(['threads.create', { input: input(text) }])
  expect(created.status).toBe(200)
  const events = await created.text()
  const id = /"thread":\{"id":"([^"]+)"/.exec(events)?.[1]
  const answer = await alice(['threads.get_by_id', { thread_id: id }])
  expect(answer.status).toBe(503)
  expect(await answer.json()).toMatchObject({ code: 'overloaded' })
  expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0)
})

test('large answers of one user take turns with rests between them, in which another user is answered', async () => {
  const { scene, alice } = await start()
  const thread = await createThread(alice)
  const items = Array.from({ length: 30_000 }, (_, at) => ({
    id: `i${at}`,
    thread_id: thread.id,
    created_at: 1,
    type: 'task',
    task: {},
  }))
  const body = { id: thread.id, created_at: 1, items: { data: items, has_more: false } }
  const bob = asAt(scene.url, await scene.session('bob'))
  const order: string[] = []
  const read = async (asker: typeof alice, name: string) => {
    const answer = await asker(['threads.get_by_id', { thread_id: thread.id }])
    await answer.arrayBuffer()
    order.push(name)
  }
  scene.sample.server.setFaults({ status: 200, body })
  const reads = [1, 2, 3, 4].map(() => read(alice, 'alice'))
  await expect.poll(() => order, { interval: 1 }).toEqual(['alice'])
  await read(bob, 'bob')
  await Promise.all(reads)
  scene.sample.server.setFaults({})
  expect(order).toHaveLength(5)
  expect(order.indexOf('bob')).toBeLessThan(3)
})

test('a stream beyond the limit of its user is 429 until another one has ended', async () => {
  const { url, opened } = await startScripted()
  const { scene, session, alice } = await start({ server: url, gateway: { streamsPerUser: 3 } })
  const responses = await Promise.all([alice(CREATE), alice(CREATE), alice(CREATE)])
  expect(responses.map(({ status }) => status)).toEqual([200, 200, 200])
  const refused = await alice(CREATE)
  expect(refused.status).toBe(429)
  expect(await refused.json()).toMatchObject({ code: 'rate_limited' })
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
  expect(opened).toHaveLength(3)
  const bob = asAt(scene.url, await scene.session('bob'))
  const ofBob = await bob(CREATE)
  expect(ofBob.status).toBe(200)
  opened[0]?.end(note('done'))
  const [first] = responses
  if (first?.body) await rest(first.body.pipeThrough(new TextDecoderStream()).getReader())
  await vi.waitFor(async () => {
    const again = await asAt(scene.url, session)(CREATE)
    expect(again.status).toBe(200)
  }, WAIT)
})

test('events that clients do not read count; a stream beyond the user’s share ends', async () => {
  const { url, opened } = await startScripted()
  const { scene, session } = await start({
    server: url,
    gateway: { userMemoryBytes: 24 * MEBIBYTE, maxFrameBytes: 32 * MEBIBYTE },
  })
  const ended: number[] = []
  for (let at = 0; at < 3; at++) {
    const headers = {
      authorization: `Bearer ${session.secret}`,
      'content-type': 'application/json',
    }
    const sent = request(scene.url, { method: 'POST', headers })
    sent.on('error', () => {})
    onTestFinished(() => void sent.destroy())
    const [type, params] = CREATE
    sent.end(JSON.stringify({ type, params }))
    const response = await new Promise<IncomingMessage>((resolve) => sent.once('response', resolve))
    response.pause()
    response.on('error', () => {})
    await vi.waitFor(() => expect(opened).toHaveLength(at + 1), WAIT)
    opened[at]?.on('close', () => ended.push(at))
    opened[at]?.write(note('x'.repeat(11 * MEBIBYTE)))
    // The server's own buffer is empty once the gateway has all of it.
    await vi.waitFor(() => expect(opened[at]?.writableLength).toBe(0), WAIT)
  }
  await vi.waitFor(() => expect(ended).toEqual([2]), WAIT)
  const bob = asAt(scene.url, await scene.session('bob'))
  expect((await bob(CREATE)).status).toBe(200)
  expect(ended).toEqual([2])
})
