// The embedded ChatKit API: the six operations in memory, faults, and control calls.

import { createAdaptorServer } from '@hono/node-server'
import { Hono } from 'hono'
import type { Thread } from '../../chatkit/wire/thread.ts'
import type { Clock } from '../../lib/clock.ts'
import { answerErrors, limitBody, loopbackHost } from '../kit/app.ts'
import { listenOnLoopback } from '../kit/listen.ts'
import { addControlCalls } from './control-calls.ts'
import { createFaultBox, type Faults, misbehaving } from './faults.ts'
import { type ApiEnv, identify, loopbackOrigin } from './middleware.ts'
import { addOperations } from './operations.ts'
import { createRecorder, type RecordedRequest, recording } from './recorder.ts'
import type { ThreadSeed } from './seed.ts'
import { createSessions } from './sessions.ts'
import { createThreads } from './threads.ts'

const MAX_API_BODY_BYTES = 256 * 1024
const MAX_CONTROL_BODY_BYTES = 16 * 1024 * 1024

export type ChatKitApi = ReturnType<typeof createChatKitApi>

/**
 * The six operations of the ChatKit API in memory, for development and tests. They follow the reference in
 * shapes, defaults, bounds, paging and errors. No workflow runs, so only seeded threads exist. Any key that
 * begins with `sk-` sees everything. The functions besides `app` give tests direct access to its state.
 */
export function createChatKitApi({ now }: { readonly now: Clock }) {
  const sessions = createSessions(now)
  const threads = createThreads(now)
  const faultBox = createFaultBox()
  const recorder = createRecorder()

  const app = new Hono<ApiEnv>()
  app.use(identify, loopbackHost, loopbackOrigin)
  app.use('/v1/*', limitBody(MAX_API_BODY_BYTES))
  app.use('/v1/*', recording(recorder, now), misbehaving(faultBox))
  app.use('/_embedded/*', limitBody(MAX_CONTROL_BODY_BYTES))
  addOperations(app, { sessions, threads })
  addControlCalls(app, { threads, faultBox, recorder })
  answerErrors(app)

  return {
    /** Serves `/v1` and the control calls under `/_embedded`. */
    app,
    /** Like `POST /_embedded/threads`. Throws when the seed is malformed. */
    seedThread: (seed: ThreadSeed): Thread => threads.seed(seed),
    /** Like `PUT /_embedded/faults`. Throws when the faults are malformed. */
    setFaults: (faults: Faults): void => void faultBox.set(faults),
    sessions: sessions.all,
    /** The latest 1000 requests under `/v1`, oldest first. */
    requests: (): readonly RecordedRequest[] => recorder.all(),
    clearRequests: recorder.clear,
  }
}

/** An embedded ChatKit API that listens; `origin` is the root of the control calls. */
export type RunningChatKitApi = Awaited<ReturnType<typeof startChatKitApi>>

/**
 * Starts the embedded ChatKit API on a loopback address.
 *
 * @param options - `port`: 0 for a free one; `now`: the real clock when absent
 * @throws Node's own error when the port is taken
 */
export async function startChatKitApi({
  port,
  now = Date.now,
}: {
  readonly port: number
  readonly now?: Clock
}) {
  const api = createChatKitApi({ now })
  const listening = await listenOnLoopback(createAdaptorServer({ fetch: api.app.fetch }), port)
  // `url` is the base URL for clients: http://127.0.0.1:8789/v1
  return { ...listening, url: `${listening.origin}/v1`, api }
}
