import { createAdaptorServer } from '@hono/node-server'
import { Hono } from 'hono'
import { addEndpoint } from '../../../src/embedded/chatkit-server/endpoint.ts'
import {
  createSampleStore,
  type SampleStore,
  type SampleThread,
} from '../../../src/embedded/chatkit-server/store.ts'
import { answerErrors } from '../../../src/embedded/kit/app.ts'
import { listenOnLoopback } from '../../../src/embedded/kit/listen.ts'
import type { Clock } from '../../../src/lib/clock.ts'

/** The sample server's endpoint over a store that a test can fill. */
export interface SeedableServer {
  readonly url: string
  readonly store: SampleStore
  /** Called when a request has arrived, before it is answered. */
  onRequest: ((body: string) => void | Promise<void>) | undefined
  /** A thread with one assistant message for each text, oldest first. */
  seed(thread: { readonly title?: string; readonly texts?: readonly string[] }): SampleThread
  close(): Promise<void>
}

/** @param now - the clock of `created_at` */
export async function startSeedableServer(now: Clock = Date.now): Promise<SeedableServer> {
  const store = createSampleStore(now)
  const app = new Hono()
  app.use(async ({ req }, next) => {
    await server.onRequest?.(await req.text())
    await next()
  })
  addEndpoint(app, store, 0)
  answerErrors(app)
  const adaptor = createAdaptorServer({ fetch: app.fetch })
  const { origin, close } = await listenOnLoopback(adaptor)
  const server: SeedableServer = {
    url: `${origin}/chatkit`,
    store,
    onRequest: undefined,
    seed({ title, texts = [] }) {
      const thread = store.createThread()
      thread.title = title ?? null
      for (const text of texts) {
        const content = [{ type: 'output_text' as const, text, annotations: [] }]
        store.save(thread, store.newItem(thread, { type: 'assistant_message', content }))
      }
      return thread
    },
    close,
  }
  return server
}
