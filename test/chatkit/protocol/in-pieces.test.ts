import { createServer } from 'node:http'
import { buffer, text } from 'node:stream/consumers'
import { Agent, type Dispatcher } from 'undici'
import { expect, onTestFinished, test } from 'vitest'
import { sendInPieces } from '../../../src/chatkit/protocol/in-pieces.ts'
import { openServerCall } from '../../../src/chatkit/protocol/server-call.ts'
import { listenOnLoopback } from '../../../src/embedded/kit/listen.ts'
import { startDeadline } from '../../../src/lib/deadline.ts'
import { ServiceError } from '../../../src/lib/errors.ts'

/** A server, and a dispatcher whose first requests fail with these codes of the operating system, perhaps behind a call. */
async function startFailing(codes: readonly string[]) {
  const seen: { length: string | undefined; body: Buffer }[] = []
  const server = createServer(async (request, response) => {
    seen.push({ length: request.headers['content-length'], body: await buffer(request) })
    response.writeHead(413).end('at most 5 MB')
  })
  const { origin } = await listenOnLoopback(server)
  const agent = new Agent()
  onTestFinished(async () => {
    await agent.close()
    server.close()
  })
  const left = [...codes]
  const dispatcher = {
    request: (options: Dispatcher.RequestOptions) => {
      const failed = left.shift()
      if (failed === undefined) return agent.request(options)
      const [code, syscall] = failed.split(' ').toReversed()
      return Promise.reject(Object.assign(new Error(failed), { code, syscall }))
    },
  } as Dispatcher
  const send = async (body: string | Uint8Array) => {
    const deadline = startDeadline(10_000, undefined)
    const workflow = { name: 'w', server: `${origin}/chatkit` }
    const call = { workflow, url: `${origin}/up`, method: 'POST', headers: {}, deadline } as const
    const reply = await openServerCall(dispatcher, { ...call, body }).finally(deadline.stop)
    return `${reply.status} ${await text(reply.body)}`
  }
  return { send, seen }
}

test.each([
  ['a picture', 'EPIPE', Buffer.alloc(300_000, 'picture')],
  ['a text', 'EPIPE', JSON.stringify({ text: 'größe' })],
  ['a picture', 'write ECONNRESET', Buffer.alloc(300_000, 'picture')],
  ['a picture', 'write ECONNRESET_BY_PEER', Buffer.alloc(300_000, 'picture')],
])(
  'when the connection closes while %s is sent (%s), it is sent once more, and the server’s answer is read',
  async (_name, failure, body) => {
    const { send, seen } = await startFailing([failure])
    expect(await send(body)).toBe('413 at most 5 MB')
    const bytes = Buffer.from(body)
    expect(seen).toEqual([{ length: String(bytes.length), body: bytes }])
  },
)

test.each([
  [['EPIPE', 'EPIPE']],
  [['ECONNRESET']],
  [['read ECONNRESET_BY_PEER']],
  [['ECONNREFUSED']],
])(
  'after %j a request is not sent again, because the server may have read all of it, or cannot be reached',
  async (codes) => {
    const { send, seen } = await startFailing(codes)
    const failure = await send('x').catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(ServiceError)
    expect(failure).toHaveProperty('code', 'upstream_unavailable')
    expect(seen).toEqual([])
  },
)

test('bytes that are sent once more are not copied', async () => {
  const dispatcher = { request: ({ body }: { readonly body: unknown }) => body }
  const body = new Uint8Array(300_000)
  const failure = Object.assign(new Error('write EPIPE'), { code: 'EPIPE' })
  const request = { method: 'POST', path: '/up', headers: {}, body } as const
  const sent: unknown = sendInPieces(dispatcher as never, request, failure)
  const pieces: Uint8Array[] = []
  for await (const piece of sent as AsyncIterable<Uint8Array>) pieces.push(piece)
  expect(pieces.every(({ buffer }) => buffer === body.buffer)).toBe(true)
  expect(pieces.reduce((sum, { length }) => sum + length, 0)).toBe(body.length)
})
