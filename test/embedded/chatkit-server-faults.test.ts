import { once } from 'node:events'
import { request } from 'node:http'
import { connect } from 'node:net'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { ServerFaults } from '../../src/embedded/chatkit-server/middleware.ts'
import {
  type RunningChatKitServer,
  startChatKitServer,
} from '../../src/embedded/chatkit-server/server.ts'
import { ask, eventsOf, framesOf, input, textOf } from '../support/chatkit/server-client.ts'
import { eventually } from '../support/eventually.ts'

let running: RunningChatKitServer
beforeEach(async () => {
  running = await startChatKitServer({ port: 0, wordMs: 0 })
})
afterEach(async () => {
  await running.close()
})

const create = (text = 'hello there', signal?: AbortSignal) =>
  ask(running.url, ['threads.create', { input: input(text) }], { ...(signal && { signal }) })
const list = () => ask(running.url, ['threads.list'])
const last = () => running.server.requests().at(-1)

describe('faults', () => {
  it('down cuts the given number of connections without an answer', async () => {
    running.server.setFaults({ down: true, times: 2 })
    await expect(create()).rejects.toThrow()
    await expect(list()).rejects.toThrow()
    expect((await list()).status).toBe(200)
    expect(running.server.requests()).toMatchObject([
      { type: 'threads.create', status: null, outcome: 'cut' },
      { type: 'threads.list', status: null, outcome: 'cut' },
      { type: 'threads.list', status: 200, outcome: 'answered' },
    ])
  })

  it.each<[ServerFaults, number, string, string]>([
    [{ status: 503 }, 503, 'application/json', '{"error"'],
    [{ body: '<html>hi</html>' }, 200, 'text/html; charset=utf-8', '<html>hi</html>'],
    [{ status: 502, body: '<html>' }, 502, 'text/html; charset=utf-8', '<html>'],
    [{ body: { detail: 'no' } }, 200, 'application/json', '{"detail":"no"}'],
  ])('%j take the place of the answer, and nothing is done', async (faults, status, type, text) => {
    running.server.setFaults({ ...faults, times: 1 })
    const answer = await create()
    expect([answer.status, answer.headers.get('content-type')]).toEqual([status, type])
    expect(await answer.text()).toContain(text)
    expect(await (await list()).json()).toMatchObject({ data: [] })
  })

  it('hang gives no answer until the client leaves, which is recorded', async () => {
    running.server.setFaults({ hang: true })
    const leaving = new AbortController()
    const pending = create('hi', leaving.signal)
    await eventually(() => expect(last()).toMatchObject({ outcome: 'pending' }))
    // What a waiting request needs must not be collected as garbage.
    setFlagsFromString('--expose-gc')
    runInNewContext('gc')()
    leaving.abort()
    await expect(pending).rejects.toThrow()
    await eventually(() => expect(last()).toMatchObject({ outcome: 'client_gone', status: null }))
  })

  it('first_byte_ms holds headers back', async () => {
    running.server.setFaults({ first_byte_ms: 60 })
    const start = performance.now()
    await create('hi')
    expect(performance.now() - start).toBeGreaterThan(55)
  })

  it.each([0, 1, 4])(
    'close_after_frames breaks the stream after %i whole frames',
    async (frames) => {
      running.server.setFaults({ close_after_frames: frames })
      const response = await create()
      const arrived: string[] = []
      await expect(async () => {
        for await (const frame of framesOf(response)) arrived.push(frame)
      }).rejects.toThrow(/terminated/)
      expect(arrived).toHaveLength(frames)
      expect(last()).toMatchObject({ frames, outcome: 'cut' })
    },
  )

  it('chunk_bytes cuts through frames and characters; the whole is the same', async () => {
    running.server.setFaults({ chunk_bytes: 7 })
    const body = JSON.stringify({ type: 'threads.create', params: { input: input('grüße 🙂') } })
    const headers = { 'content-type': 'application/json' }
    const sent = request(running.url, { method: 'POST', headers }).end(body)
    const [response] = await once(sent, 'response')
    const pieces: Buffer[] = []
    response.on('data', (piece: Buffer) => pieces.push(piece))
    await once(response, 'end')
    expect(Math.max(...pieces.map(({ length }) => length))).toBe(7)
    const whole = new Response(Buffer.concat(pieces))
    expect(textOf(await eventsOf(whole))).toBe('You said: grüße 🙂')
  })

  it('malformed faults are refused, and change nothing', async () => {
    for (const faults of [
      { dwon: true },
      { times: 0 },
      { status: 99 },
      [],
      { first_byte_ms: -1 },
    ]) {
      expect(() => running.server.setFaults(faults as ServerFaults)).toThrow()
    }
    expect((await list()).status).toBe(200)
  })
})

describe('clients that leave or read slowly', () => {
  it('a client that leaves stops the assistant, and what was said is kept', async () => {
    const leaving = new AbortController()
    const frames = framesOf(await create('count to 1000000', leaving.signal))
    for (let read = 0; read < 10; read++) await frames.next()
    leaving.abort()
    await eventually(() => expect(last()?.outcome).toBe('client_gone'))
    const made = last()?.frames ?? 0
    const items = { thread_id: await onlyThread(), order: 'asc' }
    const page = await (await ask(running.url, ['items.list', items])).json()
    expect(page).toMatchObject({ data: [{ type: 'user_message' }, { type: 'assistant_message' }] })
    expect(JSON.stringify(page)).toContain('1 2 3')
    expect(running.server.requests()[0]?.frames).toBe(made)
    expect(made).toBeLessThan(1_000_000)
  })

  it('a client that leaves while the assistant thinks stops it too', async () => {
    await running.close()
    running = await startChatKitServer({ port: 0, wordMs: 600_000 })
    const leaving = new AbortController()
    const frames = framesOf(await create('hello', leaving.signal))
    await frames.next()
    leaving.abort()
    await eventually(() => expect(last()?.outcome).toBe('client_gone'))
  })

  it('makes no more frames than fit into the buffer of a client that does not read', async () => {
    const body = JSON.stringify({
      type: 'threads.create',
      params: { input: input('count to 1000000') },
    })
    const socket = connect(Number(new URL(running.url).port), '127.0.0.1')
    socket.pause()
    socket.write(
      `POST /chatkit HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    )
    await eventually(() => expect(last()?.frames).toBeGreaterThan(100))
    let before = -1
    await vi.waitFor(
      () => {
        const now = last()?.frames ?? 0
        const settled = now === before
        before = now
        expect(settled).toBe(true)
      },
      { timeout: 10_000, interval: 200 },
    )
    expect(last()).toMatchObject({ outcome: 'pending' })
    expect(before).toBeLessThan(500_000)
    socket.destroy()
    await eventually(() => expect(last()?.outcome).toBe('client_gone'))
  })

  it('close drops running streams', async () => {
    const response = await create('count to 1000000')
    await running.close()
    await expect(eventsOf(response)).rejects.toThrow(/terminated/)
    running = await startChatKitServer({ port: 0 })
  })

  async function onlyThread(): Promise<string> {
    const page = (await (await list()).json()) as { data: { id: string }[] }
    expect(page.data).toHaveLength(1)
    return page.data[0]?.id ?? ''
  }
})

describe('recorded requests', () => {
  it('are kept with type, params, headers and body', async () => {
    const headers = { authorization: 'Bearer server-token-0123', 'x-chatkit-user': 'alice' }
    const metadata = { page: 1 }
    await ask(running.url, ['threads.list', { limit: 3 }], { headers, metadata })
    expect(running.server.requests()).toMatchObject([
      {
        method: 'POST',
        path: '/chatkit',
        type: 'threads.list',
        params: { limit: 3 },
        body: '{"type":"threads.list","params":{"limit":3},"metadata":{"page":1}}',
        headers: { ...headers, 'content-type': 'application/json' },
        bytes: 66,
        status: 200,
        frames: 0,
        outcome: 'answered',
      },
    ])
  })

  it('a long body is recorded only by its type and length', async () => {
    const audio_base64 = 'A'.repeat(100_000)
    await ask(running.url, ['input.transcribe', { audio_base64, mime_type: 'audio/webm' }])
    expect(last()).toMatchObject({ type: 'input.transcribe', params: null, body: null })
    expect(last()?.bytes).toBeGreaterThan(100_000)
  })

  it('something that is not a request is recorded as its body alone', async () => {
    const headers = { 'content-type': 'application/json' }
    await fetch(running.url, { method: 'POST', headers, body: '[1' })
    expect(last()).toMatchObject({ type: null, params: null, body: '[1', status: 400 })
  })
})

describe('who may connect', () => {
  /** Node's own client, because fetch does not let one choose the Host. */
  async function statusFor(headers: Record<string, string>): Promise<number> {
    const sent = request(running.url, { method: 'POST', headers, agent: false }).end()
    const [response] = await once(sent, 'response')
    response.resume()
    return response.statusCode
  }

  it.each(['evil.example', '127.0.0.1.evil.example', '10.0.0.1'])(
    'Host %s is 403',
    async (host) => {
      expect(await statusFor({ host })).toBe(403)
      expect(running.server.requests()).toEqual([])
    },
  )

  it('a page of another origin may', async () => {
    expect(await statusFor({ origin: 'https://app.acme.example' })).toBe(400)
  })
})
