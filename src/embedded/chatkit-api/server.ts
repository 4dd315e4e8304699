// Starts the embedded ChatKit API on a loopback address.

import { createAdaptorServer } from '@hono/node-server'
import type { Clock } from '../../lib/clock.ts'
import { type ListenAt, listenOnLoopback } from '../kit/listen.ts'
import { createChatKitApi } from './api.ts'

/** An embedded ChatKit API that listens; `origin` is the root of the control calls. */
export type RunningChatKitApi = Awaited<ReturnType<typeof startChatKitApi>>

/**
 * Starts the embedded ChatKit API.
 *
 * @param options - `now`, the real clock when absent
 * @throws when `host` is not loopback; Node's own error when the port is taken
 */
export async function startChatKitApi({
  now = Date.now,
  ...at
}: ListenAt & { readonly now?: Clock }) {
  const api = createChatKitApi({ now, loopbackOnly: true })
  const listening = await listenOnLoopback(createAdaptorServer({ fetch: api.app.fetch }), at)
  // `url` is the base URL for clients: http://127.0.0.1:8789/v1
  return { ...listening, url: `${listening.origin}/v1`, api }
}
