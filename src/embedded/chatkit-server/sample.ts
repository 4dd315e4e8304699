// The sample ChatKit server as a Hono app: endpoint, uploads and faults.

import { Hono } from 'hono'
import type { Clock } from '../../lib/clock.ts'
import { answerErrors, limitBody, loopbackHost } from '../kit/app.ts'
import { createFaultBox } from '../kit/faults.ts'
import { createRecorder } from '../kit/recorder.ts'
import { addEndpoint } from './endpoint.ts'
import { faults, misbehaving, recording, type ServerEnv, type ServerFaults } from './middleware.ts'
import type { OpenEntry, ServerRequest } from './recorder.ts'
import { createSampleStore } from './store.ts'
import { addUploads } from './uploads.ts'

const MAX_BODY_BYTES = 64 * 1024 * 1024
export const DEFAULT_WORD_MS = 20

/** Clock and speed of the sample server. */
export interface ChatKitServerOptions {
  readonly now: Clock
  /** Milliseconds that the assistant takes for each word; 20 when absent, 0 for no pause. */
  readonly wordMs?: number | undefined
}

/**
 * A ChatKit server in memory, for the demo and for tests. It serves all 16 requests of the protocol, and its
 * assistant repeats the user's words. Like the usual samples, it does not identify its caller: whoever reaches
 * it sees and changes everyone's threads. The functions besides `app` are for tests.
 */
export function createChatKitServer({ now, wordMs = DEFAULT_WORD_MS }: ChatKitServerOptions) {
  const store = createSampleStore(now)
  const recorder = createRecorder<OpenEntry>()
  const faultBox = createFaultBox(faults)

  const app = new Hono<ServerEnv>()
  app.use(loopbackHost)
  app.use(limitBody(MAX_BODY_BYTES), recording(recorder.add, now), misbehaving(faultBox))
  addEndpoint(app, { store, wordMs })
  addUploads(app, store)
  answerErrors(app)

  return {
    /** Serves `/chatkit` and `/upload`. */
    app,
    /** Throws when the faults are malformed. */
    setFaults: (faults: ServerFaults): void => void faultBox.set(faults),
    /** The latest 1000 requests, oldest first. */
    requests: (): readonly ServerRequest[] => recorder.all(),
    clearRequests: recorder.clear,
  }
}
