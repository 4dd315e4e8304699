// Starts the sample ChatKit server on a loopback address.

import { createAdaptorServer } from '@hono/node-server'
import { type ListenAt, type LoopbackListener, listenOnLoopback } from '../kit/listen.ts'
import { type ChatKitServer, type ChatKitServerOptions, createChatKitServer } from './sample.ts'

/** A sample ChatKit server that listens; `origin` is the root of uploads. */
export interface RunningChatKitServer extends LoopbackListener {
  /** The endpoint, for a workflow's `server:`, as `http://127.0.0.1:8790/chatkit`. */
  readonly url: string
  readonly server: ChatKitServer
}

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
}: ListenAt & Partial<ChatKitServerOptions>): Promise<RunningChatKitServer> {
  const server = createChatKitServer({ now, wordMs })
  const adaptor = createAdaptorServer({ fetch: server.app.fetch })
  const listening = await listenOnLoopback(adaptor, { port, host })
  return { ...listening, url: `${listening.origin}/chatkit`, server }
}
