// The embedded ChatKit API as a Hono app: the six operations in memory, faults, and control calls.

import { Hono } from 'hono'
import type { Thread } from '../../chatkit/wire/thread.ts'
import type { Clock } from '../../lib/clock.ts'
import { newId } from '../../lib/ids.ts'
import {
  addControlCalls,
  answerErrors,
  jsonBody,
  limitBody,
  loopbackHost,
  loopbackOrigin,
  notAllowed,
} from '../kit/app.ts'
import { createFaultBox } from '../kit/faults.ts'
import { createRecorder } from '../kit/recorder.ts'
import { type ApiEnv, type Faults, faults, identify, misbehaving, recording } from './middleware.ts'
import { addOperations } from './operations.ts'
import type { OpenRequest, RecordedRequest } from './recorder.ts'
import type { ThreadSeed } from './seed.ts'
import { createSessions, type MakeId } from './sessions.ts'
import { createThreads } from './threads.ts'

const MAX_API_BODY_BYTES = 256 * 1024
const MAX_CONTROL_BODY_BYTES = 16 * 1024 * 1024
const THREADS = '/_embedded/threads'

/** Clock, ids and callers of the embedded API. */
export interface ChatKitApiOptions {
  readonly now: Clock
  /** Makes identifiers and client secrets; random when absent. */
  readonly makeId?: MakeId
  /** Answers 403 unless `Host`, and `Origin` where there is one, are loopback; off when absent. */
  readonly loopbackOnly?: boolean
}

export type ChatKitApi = ReturnType<typeof createChatKitApi>

/**
 * The six operations of the ChatKit API in memory, for development and tests. They follow the reference in
 * shapes, defaults, bounds, paging and errors. No workflow runs, so only seeded threads exist. Any key that
 * begins with `sk-` sees everything. The functions besides `app` give tests direct access to its state.
 */
export function createChatKitApi({ now, makeId = newId, loopbackOnly = false }: ChatKitApiOptions) {
  const sessions = createSessions({ now, makeId })
  const threads = createThreads({ now, makeId })
  const faultBox = createFaultBox(faults)
  const recorder = createRecorder<OpenRequest>()

  const app = new Hono<ApiEnv>()
  app.use(identify(makeId))
  if (loopbackOnly) app.use(loopbackHost, loopbackOrigin)
  app.use('/v1/*', limitBody(MAX_API_BODY_BYTES))
  app.use('/v1/*', recording(recorder.add, now), misbehaving(faultBox))
  app.use('/_embedded/*', limitBody(MAX_CONTROL_BODY_BYTES))
  addOperations(app, { sessions, threads })
  app.post(THREADS, async (context) => context.json(threads.seed(await jsonBody(context))))
  app.all(THREADS, notAllowed('POST'))
  addControlCalls(app, { setFaults: faultBox.set, requests: recorder.all, clear: recorder.clear })
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
