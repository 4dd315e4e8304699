// Starts the sample ChatKit server on a loopback address: endpoint, uploads and faults.

import { createAdaptorServer } from '@hono/node-server'
import { Hono } from 'hono'
import type { Clock } from '../../lib/clock.ts'
import { answerErrors, limitBody, loopbackHost } from '../kit/app.ts'
import { createFaultBox } from '../kit/faults.ts'
import { listenOnLoopback } from '../kit/listen.ts'
import { createRecorder } from '../kit/recorder.ts'
import { addEndpoint } from './endpoint.ts'
import { faults, misbehaving, recording, type ServerEnv, type ServerFaults } from './middleware.ts'
import type { ServerRequest } from './recorder.ts'
import { createSampleStore } from './store.ts'
import { addUploads } from './uploads.ts'

const MAX_BODY_BYTES = 64 * 1024 * 1024
export const DEFAULT_WORD_MS = 20

/** A sample ChatKit server that listens; `origin` is the root of uploads. */
export type RunningChatKitServer = Awaited<ReturnType<typeof startChatKitServer>>

/**
 * Starts a ChatKit server in memory, for the demo and for tests. It serves all 16 requests of the protocol, and its
 * assistant repeats the user's words. Like the usual samples, it does not identify its caller: whoever reaches
 * it sees and changes everyone's threads. The functions in `server` are for tests.
 *
 * @param options - `port`: 0 for a free one; `now`: the real clock when absent; `wordMs`: milliseconds that the assistant
 * takes for each word, 20 when absent, 0 for no pause
 * @throws Node's own error when the port is taken
 */
export async function startChatKitServer({
  port,
  now = Date.now,
  wordMs = DEFAULT_WORD_MS,
}: {
  readonly port: number
  readonly now?: Clock
  readonly wordMs?: number
}) {
  const store = createSampleStore(now)
  const recorder = createRecorder<ServerRequest>()
  const faultBox = createFaultBox(faults)

  const app = new Hono<ServerEnv>()
  app.use(loopbackHost)
  app.use(limitBody(MAX_BODY_BYTES), recording(recorder, now), misbehaving(faultBox))
  addEndpoint(app, store, wordMs)
  addUploads(app, store)
  answerErrors(app)

  const listening = await listenOnLoopback(createAdaptorServer({ fetch: app.fetch }), port)
  return {
    ...listening,
    /** The endpoint, for a workflow's `server:`. */
    url: `${listening.origin}/chatkit`,
    server: {
      /** Throws when the faults are malformed. */
      setFaults: (faults: ServerFaults): void => void faultBox.set(faults),
      /** The latest 1000 requests, oldest first. */
      requests: (): readonly ServerRequest[] => recorder.all(),
      clearRequests: recorder.clear,
    },
  }
}
