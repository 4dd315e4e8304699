import { createServer, request, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** Frames a second of each stream, as a model makes pieces of text. */
export const FRAMES_PER_SECOND = 25
const TICK_MS = 4
/** Streams take turns, so that no two frames come at once. */
const TURNS = 1000 / FRAMES_PER_SECOND / TICK_MS

/** A piece of text as the Python SDK writes it. */
const FRAME = Buffer.from(
  `data: ${JSON.stringify({
    type: 'thread.item.updated',
    item_id: 'msg_0123456789abcdef',
    update: {
      type: 'assistant_message.content_part.text_delta',
      content_index: 0,
      delta: ' a piece of text of usual length',
    },
  })}\n\n`,
)

/** A ChatKit server as far as its streams go. */
export interface FrameServer {
  readonly url: string
  close(): Promise<void>
}

export async function startFrameServer(): Promise<FrameServer> {
  const turns = Array.from({ length: TURNS }, () => new Set<ServerResponse>())
  let opened = 0
  const http = createServer((incoming, response) => {
    incoming.resume()
    response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders()
    const turn = turns[opened++ % TURNS]
    turn?.add(response)
    response.on('close', () => turn?.delete(response))
  })
  let tick = 0
  const timer = setInterval(() => {
    for (const response of turns[tick++ % TURNS] ?? []) response.write(FRAME)
  }, TICK_MS)
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}/chatkit`,
    close: () => {
      clearInterval(timer)
      http.closeAllConnections()
      return new Promise((resolve) => http.close(() => resolve()))
    },
  }
}

/** A stream that is read, and dropped. */
export interface ReadStream {
  /** Frames so far. */
  readonly frames: () => number
  close(): void
}

/**
 * Opens a stream and reads it.
 *
 * @param url - of a side
 * @param secret - client secret
 * @throws when the side answers anything but a stream
 */
export function readStream(url: string, secret: string): Promise<ReadStream> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${secret}`, 'content-type': 'application/json' }
    const sent = request(url, { method: 'POST', headers, agent: false }, (response) => {
      if (response.statusCode !== 200) reject(new Error(`a stream is ${response.statusCode}`))
      let bytes = 0
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length
      })
      response.on('error', () => {})
      resolve({ frames: () => bytes / FRAME.length, close: () => sent.destroy() })
    })
    sent.on('error', reject)
    const input = { content: [{ type: 'input_text', text: 'hi' }], attachments: [] }
    sent.end(JSON.stringify({ type: 'threads.create', params: { input } }))
  })
}
