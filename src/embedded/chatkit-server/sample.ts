import { Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import type { Clock } from '../../lib/clock.ts'
import { ApiError, toResponse } from '../kit/api-error.ts'
import { createFaultBox } from '../kit/fault-box.ts'
import { addServerControl } from './control.ts'
import { addEndpoint } from './endpoint.ts'
import { faults, type ServerFaults } from './faults.ts'
import { loopbackHost, misbehaving, recording, type ServerEnv } from './middleware.ts'
import { createServerRecorder, type ServerRequest } from './recorder.ts'
import { createSampleStore } from './store.ts'
import { addUploads } from './uploads.ts'

const MAX_BODY_BYTES = 64 * 1024 * 1024
const DEFAULT_WORD_MS = 20

/** What the sample server is made with. */
export interface ChatKitServerOptions {
  readonly now: Clock
  /** Milliseconds that the assistant takes for a word; 20 when absent, 0 for as fast as it is read. */
  readonly wordMs?: number
}

/** A sample ChatKit server, and a test's view behind its counter. */
export interface ChatKitServer {
  /** Serves `/chatkit`, `/upload` and the control calls under `/_embedded`. */
  readonly app: Hono<ServerEnv>
  /** As `PUT /_embedded/faults`. Throws when they are malformed. */
  setFaults(faults: ServerFaults): void
  /** The latest 1000 requests outside `/_embedded`, oldest first, with credentials. */
  requests(): readonly ServerRequest[]
  clearRequests(): void
}

/**
 * A ChatKit server over memory, for the demo and for tests: all 16 requests of the protocol, answered
 * by an assistant that repeats what it is told. Like the samples that people start from, it never asks
 * who is asking: whoever reaches it sees and changes everyone's threads.
 *
 * @param options - the clock, and how fast it speaks
 */
export function createChatKitServer(options: ChatKitServerOptions): ChatKitServer {
  const store = createSampleStore(options.now)
  const recorder = createServerRecorder(options.now)
  const faultBox = createFaultBox(faults)

  const app = new Hono<ServerEnv>()
  app.use(loopbackHost)
  addServerControl(app, { faultBox, recorder })
  app.use(limitBody, recording(recorder), misbehaving(faultBox))
  addEndpoint(app, { store, wordMs: options.wordMs ?? DEFAULT_WORD_MS })
  addUploads(app, store)
  app.notFound(({ req }) => toResponse(new ApiError(404, `No ${req.method} ${req.path} here.`)))
  app.onError((error) => toResponse(asApiError(error)))

  return {
    app,
    setFaults: (faults) => {
      faultBox.set(faults)
    },
    requests: recorder.all,
    clearRequests: recorder.clear,
  }
}

const limitBody = bodyLimit({
  maxSize: MAX_BODY_BYTES,
  onError() {
    throw new ApiError(413, `The body is longer than ${MAX_BODY_BYTES} bytes.`)
  },
})

function asApiError(error: Error): ApiError {
  return error instanceof ApiError
    ? error
    : new ApiError(500, `The sample server failed: ${error.message}`)
}
