import type { ServerResponse } from 'node:http'
import { onTestFinished } from 'vitest'
import { input, type Json } from '../support/chatkit/server-client.ts'
import { serve } from '../support/network/listen.ts'
import { asAt, type SceneOptions, startScene } from './scene.ts'

/** A scene for the running test, and a session of alice. */
export async function start(options: SceneOptions = {}) {
  const scene = await startScene(options)
  onTestFinished(() => scene.close())
  const session = await scene.session('alice')
  return { scene, session, alice: asAt(scene.url, session) }
}

/** A server for the running test, whose streams the test writes. */
export async function startScripted() {
  const opened: ServerResponse[] = []
  const server = await serve((_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders()
    opened.push(response)
  })
  onTestFinished(server.close)
  return { url: `${server.origin}/chatkit`, opened }
}

/** A stream that the test writes as the server, and reads as the client of the gateway. */
export async function startWritten(options: SceneOptions = {}) {
  const { url, opened } = await startScripted()
  const at = await start({ ...options, server: url })
  const response = await at.alice(['threads.create', { input: input('hi') }])
  const [server] = opened
  if (server === undefined || response.body === null) throw new Error('no stream')
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
  return { ...at, server, response, reader }
}

/** Reads the rest of a stream. */
export async function rest(reader: ReadableStreamDefaultReader<string>): Promise<string> {
  let text = ''
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return text
    text += value
  }
}

export const frame = (event: Json) => `data: ${JSON.stringify(event)}\n\n`
export const created = (id: string) =>
  frame({ type: 'thread.created', thread: { id, created_at: 1 } })
export const note = (text: string) => frame({ type: 'progress_update', text })
export const lastError = (text: string): Json => {
  const frames = text.split('\n\n').filter((frame) => frame.startsWith('data: '))
  return JSON.parse(frames.at(-1)?.slice(6) ?? '')
}
