import { connect } from 'node:net'
import { createAdaptorServer } from '@hono/node-server'
import { expect, onTestFinished, test, vi } from 'vitest'
import { eventStream } from '../../src/embedded/chatkit-server/endpoint.ts'
import { listenOnLoopback } from '../../src/embedded/kit/listen.ts'
import { startSampleServer } from '../support/chatkit/sample-server.ts'
import { ask, framesOf, input } from '../support/chatkit/server-client.ts'
import { eventually } from '../support/eventually.ts'
import { forEachTest } from '../support/started.ts'

const running = forEachTest(() => startSampleServer())

test('a client that leaves stops the assistant, and what was said is kept', async () => {
  const leaving = new AbortController()
  const create = ['threads.create', { input: input('count to 1000000') }] as const
  const answer = await ask(running.url, create, { signal: leaving.signal })
  const frames = framesOf(answer)
  const { thread } = JSON.parse((await frames.next()).value ?? '')
  for (let read = 0; read < 10; read++) await frames.next()
  leaving.abort()
  const items = { thread_id: thread.id, order: 'asc' }
  const said = await eventually(async () => {
    const page = await (await ask(running.url, ['items.list', items])).json()
    expect(page).toMatchObject({ data: [{ type: 'user_message' }, { type: 'assistant_message' }] })
    return JSON.stringify(page)
  })
  expect(said).toContain('1 2 3')
  expect(said).not.toContain('1000000 ')
})

test('no more events are made than fit into the buffer of a client that does not read, and none when it has left', async () => {
  let made = 0
  let ended = false
  async function* events() {
    try {
      for (; ; made++) yield { type: 'progress_update', text: `${made}`, icon: null } as const
    } finally {
      ended = true
    }
  }
  const server = createAdaptorServer({ fetch: () => eventStream(events()) })
  const { port, close } = await listenOnLoopback(server)
  onTestFinished(close)
  const socket = connect(port, '127.0.0.1')
  socket.pause()
  socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
  await eventually(() => expect(made).toBeGreaterThan(100))
  let before = -1
  await vi.waitFor(
    () => {
      const settled = made === before
      before = made
      expect(settled).toBe(true)
    },
    { timeout: 10_000, interval: 200 },
  )
  expect(ended).toBe(false)
  expect(before).toBeLessThan(500_000)
  socket.destroy()
  await eventually(() => expect(ended).toBe(true))
})
