import { request, type ServerResponse } from 'node:http'
import { serve } from '../../support/network/listen.ts'

/** Frames a second of each stream, as a model makes pieces of text. */
export const FRAMES_PER_SECOND = 25
const TICK_MS = 4
/** Streams take turns, so that no two frames come at once. */
const TURNS = 1000 / FRAMES_PER_SECOND / TICK_MS

/**
 * The contents of a stream: pieces of a model's text; a widget that grows, sent anew each time with the same picture;
 * text with a new picture in each 25th frame.
 */
export const FRAME_KINDS = ['text', 'widget', 'pictures'] as const
export type FrameKind = (typeof FRAME_KINDS)[number]

const ITEM = 'msg_0123456789abcdef'
/** As the Python SDK writes it. */
const TEXT = frame({
  type: 'thread.item.updated',
  item_id: ITEM,
  update: {
    type: 'assistant_message.content_part.text_delta',
    content_index: 0,
    delta: ' a piece of text of usual length',
  },
})
const WIDGET = frame({
  type: 'thread.item.updated',
  item_id: ITEM,
  update: {
    type: 'widget.root.updated',
    widget: {
      type: 'Card',
      children: [
        { type: 'Image', src: '/files/weather.png' },
        { type: 'Title', value: 'Rain until the evening' },
        { type: 'Text', value: 'It will be dry again tomorrow, with a little wind.' },
      ],
    },
  },
})
const PICTURE_EACH = 25

function frame(event: object): Buffer {
  return Buffer.from(`data: ${JSON.stringify(event)}\n\n`)
}

function picture(number: number): Buffer {
  const item = { id: ITEM, type: 'generated_image', image: { url: `/files/${number}.png` } }
  return frame({ type: 'thread.item.done', item })
}

/** A ChatKit server as far as its streams go. The first frame of a stream leaves with its head. */
export interface FrameServer {
  readonly url: string
  /** Kind of frame that all streams have from now on. */
  kind: FrameKind
  close(): Promise<void>
}

export async function startFrameServer(): Promise<FrameServer> {
  const turns = Array.from({ length: TURNS }, () => new Set<() => void>())
  let opened = 0
  let pictures = 0
  /** Sends the next frame of a stream. Each stream has its own pictures, at other times than its neighbours. */
  const sender = (response: ServerResponse) => {
    let sent = opened % PICTURE_EACH
    return () => {
      sent++
      const isPicture = server.kind === 'pictures' && sent % PICTURE_EACH === 0
      const other = server.kind === 'widget' ? WIDGET : TEXT
      response.write(isPicture ? picture(++pictures) : other)
    }
  }
  const http = await serve((incoming, response) => {
    incoming.resume()
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    const turn = turns[opened++ % TURNS]
    const send = sender(response)
    send()
    turn?.add(send)
    response.on('close', () => turn?.delete(send))
  })
  let tick = 0
  const timer = setInterval(() => {
    for (const send of turns[tick++ % TURNS] ?? []) send()
  }, TICK_MS)
  const server: FrameServer = {
    url: `${http.origin}/chatkit`,
    kind: 'text',
    close: () => {
      clearInterval(timer)
      return http.close()
    },
  }
  return server
}

/** A stream that is read, and dropped. */
export interface ReadStream {
  /** Frames so far. */
  readonly frames: () => number
  /** Whether a frame named a picture of the server's, and whether one held a link. */
  readonly seen: { picture: boolean; link: boolean }
  /** From the request to the first byte of the answer's body, in milliseconds. */
  readonly firstByteMs: number
  close(): void
}

const LF = 10
/** A frame ends with two of them. */
const LINES_OF_FRAME = 2

/**
 * Opens a stream and reads it.
 *
 * @returns when its first byte is there
 * @throws when the side answers anything but a stream
 */
export function readStream(url: string, secret: string): Promise<ReadStream> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${secret}`, 'content-type': 'application/json' }
    const began = performance.now()
    let lines = 0
    const seen = { picture: false, link: false }
    const sent = request(url, { method: 'POST', headers, agent: false }, (response) => {
      if (response.statusCode !== 200) reject(new Error(`a stream is ${response.statusCode}`))
      response.once('data', () => {
        const firstByteMs = performance.now() - began
        const frames = () => lines / LINES_OF_FRAME
        resolve({ frames, seen, firstByteMs, close: () => sent.destroy() })
      })
      response.on('data', (chunk: Buffer) => {
        lines += count(chunk)
        if (chunk.includes('"/files/')) seen.picture = true
        if (chunk.includes('?file=')) seen.link = true
      })
      response.on('error', () => {})
    })
    sent.on('error', reject)
    const input = { content: [{ type: 'input_text', text: 'hi' }], attachments: [] }
    sent.end(JSON.stringify({ type: 'threads.create', params: { input } }))
  })
}

function count(chunk: Buffer): number {
  let lines = 0
  for (let at = chunk.indexOf(LF); at !== -1; at = chunk.indexOf(LF, at + 1)) lines++
  return lines
}
