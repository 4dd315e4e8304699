import { once } from 'node:events'
import { Agent, type Dispatcher, request } from 'undici'
import { expect, test } from 'vitest'
import { eachBounded } from '../../src/lib/concurrency.ts'
import { input } from '../support/chatkit/server-client.ts'
import { note, start, startScripted } from './scripted-server.ts'

const STREAMS = 1000

test('a thousand open streams need one query of the store at a time, and all end with their sessions', {
  timeout: 60_000,
}, async () => {
  const { url, opened } = await startScripted()
  const { scene } = await start({ server: url, heartbeatMs: 60_000 })
  const asked: number[] = []
  const { endedAmong } = scene.registry
  scene.registry.endedAmong = async (sessions) => {
    asked.push(sessions.length)
    return endedAmong(sessions)
  }
  const dispatcher = new Agent({ allowH2: false })
  const sessions = await Promise.all(
    Array.from({ length: STREAMS }, (_, at) => scene.session(`user ${at}`)),
  )
  const bodies: Dispatcher.ResponseData['body'][] = []
  // Not all at once: on a busy machine the last of them would not be read within 5 s.
  await eachBounded(sessions, 100, async ({ secret }) => {
    const headers = { authorization: `Bearer ${secret}`, 'content-type': 'application/json' }
    const body = JSON.stringify({ type: 'threads.create', params: { input: input('hi') } })
    const answer = await request(scene.url, { method: 'POST', headers, body, dispatcher })
    expect(answer.statusCode).toBe(200)
    bodies.push(answer.body)
  })
  const frame = note('x')
  for (const response of opened) response.write(frame)
  for (const body of bodies) {
    const [chunk] = (await once(body, 'data')) as [Buffer]
    expect(String(chunk)).toBe(frame)
  }
  await expect.poll(() => asked.at(-1)).toBe(STREAMS)
  const closed = Promise.all(opened.map((response) => once(response, 'close')))
  const ended = Promise.all(bodies.map((body) => once(body.resume(), 'end')))
  const now = Math.floor(Date.now() / 1000)
  for (const { id } of sessions) await scene.registry.beginCancel(id, now)
  const askedBefore = asked.length
  await ended
  await closed
  // The query under way at the last cancel may have missed it; the next query cannot.
  expect(asked.length - askedBefore).toBeLessThanOrEqual(2)
  await dispatcher.destroy()
})
