// Starts the sample ChatKit server on a loopback address.

import { createAdaptorServer } from '@hono/node-server'
import { type ListenAt, listenOnLoopback } from '../kit/listen.ts'
import { type ChatKitServerOptions, createChatKitServer } from './sample.ts'

/** A sample ChatKit server that listens; `origin` is the root of uploads. */
export type RunningChatKitServer = Awaited<ReturnType<typeof startChatKitServer>>

/**
 * Starts the sample ChatKit server.
 *
 * @param options - `now`, the real clock when absent; `wordMs`, see {@link ChatKitServerOptions}
 * @throws when `host` is not loopback; Node's own error when the port is taken
 */
export async function startChatKitServer({
  port,
  host,
  now = Date.now,
  wordMs,
}: ListenAt & Partial<ChatKitServerOptions>) {
  const server = createChatKitServer({ now, wordMs })
  const adaptor = createAdaptorServer({ fetch: server.app.fetch })
  const listening = await listenOnLoopback(adaptor, { port, host })
  // `url` is the endpoint, for a workflow's `server:`
  return { ...listening, url: `${listening.origin}/chatkit`, server }
}
