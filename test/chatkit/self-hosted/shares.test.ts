import { text } from 'node:stream/consumers'
import { expect, onTestFinished, test } from 'vitest'
import { LANE_SLOTS } from '../../../src/chatkit/port.ts'
import { startScene, WORKFLOW } from '../../gateway/scene.ts'
import { eventually } from '../../support/eventually.ts'
import { userId } from '../../support/ids.ts'
import { serve } from '../../support/network/listen.ts'

const THREADS = 8

/** A server that lists nothing whole, and never shows a thread of mallory's. */
async function startHanging() {
  const seen = { hanging: 0 }
  const server = await serve(async (request, response) => {
    const { type, params } = JSON.parse(await text(request))
    const id = params.thread_id ?? ''
    if (id.startsWith('mallory')) {
      seen.hanging++
      return
    }
    const thread = { id, created_at: 1_800_000_000, items: { data: [], has_more: false } }
    const list = { data: [], has_more: true, after: 'more' }
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify(type === 'threads.list' ? list : thread))
  })
  onTestFinished(server.close)
  return { url: `${server.origin}/chatkit`, seen }
}

/** A scene before that server, where each of the users has threads. */
async function startOwners(names: readonly string[]) {
  const server = await startHanging()
  const scene = await startScene({ server: server.url })
  onTestFinished(() => scene.close())
  for (const name of names) {
    for (let at = 0; at < THREADS; at++) {
      const thread = { source: WORKFLOW, kind: 'thread', id: `${name}-${at}` } as const
      await scene.registry.claimOwnership({ ...thread, user: userId(name), createdAt: at })
    }
  }
  return { server, scene }
}

test('lists of one caller take at most half of the requests that a server gets at a time', async () => {
  const { server, scene } = await startOwners(['mallory', 'mallory-too', 'alice'])
  const leaves = new AbortController()
  const list = (user: string, caller: string) => scene.chatkit.listThreads({ user }, { caller })
  const flood = Array.from({ length: (4 * LANE_SLOTS) / THREADS }, (_, at) => {
    const call = { caller: 'key:lab', signal: leaves.signal }
    return scene.chatkit.listThreads({ user: at % 2 === 0 ? 'mallory' : 'mallory-too' }, call)
  })
  const ended = Promise.allSettled(flood)
  await eventually(() => expect(server.seen.hanging).toBeGreaterThanOrEqual(LANE_SLOTS / 2))
  expect((await list('alice', 'alice')).data).toHaveLength(THREADS)
  expect(server.seen.hanging).toBe(LANE_SLOTS / 2)
  const reason = new Error('gone')
  leaves.abort(reason)
  expect(await ended).toEqual(flood.map(() => ({ status: 'rejected', reason })))
  expect((await list('alice', 'key:lab')).data).toHaveLength(THREADS)
})

test('a server gets a bounded number of requests at a time, however many callers there are', async () => {
  const { server, scene } = await startOwners(['mallory'])
  const leaves = new AbortController()
  const lists = Array.from({ length: (1.5 * LANE_SLOTS) / THREADS }, (_, at) => {
    const call = { caller: `caller ${at}`, signal: leaves.signal }
    return scene.chatkit.listThreads({ user: 'mallory' }, call)
  })
  const ended = Promise.allSettled(lists)
  await eventually(() => expect(server.seen.hanging).toBeGreaterThanOrEqual(LANE_SLOTS))
  await fetch(server.url, { method: 'POST', body: '{"type":"threads.list","params":{}}' })
  expect(server.seen.hanging).toBe(LANE_SLOTS)
  leaves.abort(new Error('gone'))
  await ended
})
