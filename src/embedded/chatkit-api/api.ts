import { Hono } from 'hono'
import type { ChatSession } from '../../chatkit/wire/session.ts'
import type { Thread } from '../../chatkit/wire/thread.ts'
import type { Clock } from '../../lib/clock.ts'
import { newId } from '../../lib/ids.ts'
import { ApiError, toResponse } from '../kit/api-error.ts'
import { createFaultBox } from '../kit/fault-box.ts'
import { addControlCalls } from './control.ts'
import { type Faults, faults } from './faults.ts'
import {
  type ApiEnv,
  identify,
  limitBody,
  loopbackOnly,
  misbehaving,
  recording,
} from './middleware.ts'
import { addOperations } from './operations.ts'
import { createRecorder, type RecordedRequest } from './recorder.ts'
import type { ThreadSeed } from './seed.ts'
import { createSessions, type MakeId } from './sessions.ts'
import { createThreads } from './threads.ts'

const MAX_API_BODY_BYTES = 256 * 1024
const MAX_CONTROL_BODY_BYTES = 16 * 1024 * 1024

/** What the embedded API is made with. */
export interface ChatKitApiOptions {
  readonly now: Clock
  /** Makes identifiers and client secrets; random when absent. */
  readonly makeId?: MakeId
  /** Answers 403 unless `Host`, and `Origin` where there is one, are loopback; off when absent. */
  readonly loopbackOnly?: boolean
}

/** An embedded ChatKit API, and a test's view behind its counter. */
export interface ChatKitApi {
  /** Serves `/v1` and the control calls under `/_embedded`. */
  readonly app: Hono<ApiEnv>
  /** As `POST /_embedded/threads`. Throws when the seed is malformed. */
  seedThread(seed: ThreadSeed): Thread
  /** As `PUT /_embedded/faults`. Throws when they are malformed. */
  setFaults(faults: Faults): void
  /** Every session still in memory, with its present status, oldest first. */
  sessions(): readonly ChatSession[]
  /** The latest 1000 requests under `/v1`, oldest first. */
  requests(): readonly RecordedRequest[]
  clearRequests(): void
}

/**
 * The six operations of the ChatKit API over memory, for development and tests. It follows the
 * reference in shapes, defaults, bounds, paging and errors; it runs no workflow, so threads exist
 * only as they are seeded, and any key that begins with `sk-` sees everything.
 *
 * @param options - the clock and, for tests, the source of ids
 */
export function createChatKitApi(options: ChatKitApiOptions): ChatKitApi {
  const { now, makeId = newId } = options
  const sessions = createSessions({ now, makeId })
  const threads = createThreads({ now, makeId })
  const faultBox = createFaultBox(faults)
  const recorder = createRecorder(now)

  const app = new Hono<ApiEnv>()
  app.use(identify(makeId))
  if (options.loopbackOnly) app.use(loopbackOnly())
  app.use('/v1/*', limitBody(MAX_API_BODY_BYTES), recording(recorder), misbehaving(faultBox))
  app.use('/_embedded/*', limitBody(MAX_CONTROL_BODY_BYTES))
  addOperations(app, { sessions, threads })
  addControlCalls(app, { threads, faultBox, recorder })
  app.notFound(({ req }) =>
    toResponse(new ApiError(404, `Invalid URL (${req.method} ${req.path})`)),
  )
  app.onError((error) => toResponse(asApiError(error)))

  return {
    app,
    seedThread: threads.seed,
    setFaults: (faults) => {
      faultBox.set(faults)
    },
    sessions: sessions.all,
    requests: recorder.all,
    clearRequests: recorder.clear,
  }
}

function asApiError(error: Error): ApiError {
  return error instanceof ApiError
    ? error
    : new ApiError(500, `The embedded API failed: ${error.message}`)
}
