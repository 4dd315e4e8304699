// The sample ChatKit server: endpoint and uploads.

import { createAdaptorServer } from '@hono/node-server'
import { Hono } from 'hono'
import { answerErrors, limitBody, loopbackHost } from '../kit/app.ts'
import { listenOnLoopback } from '../kit/listen.ts'
import { addEndpoint } from './endpoint.ts'
import { createSampleStore, type SampleStore } from './store.ts'
import { addUploads } from './uploads.ts'

const MAX_BODY_BYTES = 64 * 1024 * 1024
export const DEFAULT_WORD_MS = 20

/**
 * A ChatKit server in memory, for the demo and for tests. It serves all 16 requests of the protocol, and its
 * assistant repeats the user's words. Like the usual samples, it does not identify its caller: whoever reaches
 * it sees and changes everyone's threads.
 *
 * @param wordMs - milliseconds that the assistant takes for each word, 0 for no pause
 * @returns the app, which serves `/chatkit` and `/upload`
 */
export function createChatKitServer(store: SampleStore, wordMs: number): Hono {
  const app = new Hono()
  app.use(loopbackHost, limitBody(MAX_BODY_BYTES))
  addEndpoint(app, store, wordMs)
  addUploads(app, store)
  answerErrors(app)
  return app
}

/**
 * Starts the sample ChatKit server on a loopback address.
 *
 * @param port - 0 for a free one
 * @throws Node's own error when the port is taken
 */
export async function startChatKitServer(port: number) {
  const { fetch } = createChatKitServer(createSampleStore(Date.now), DEFAULT_WORD_MS)
  const listening = await listenOnLoopback(createAdaptorServer({ fetch }), port)
  // `url` is the endpoint, for a workflow's `server:`.
  return { ...listening, url: `${listening.origin}/chatkit` }
}
