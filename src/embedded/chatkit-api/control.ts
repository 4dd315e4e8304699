import type { Hono } from 'hono'
import type { FaultBox } from '../kit/fault-box.ts'
import type { Faults } from './faults.ts'
import { jsonBody } from './guards.ts'
import type { ApiEnv } from './middleware.ts'
import { notAllowed } from './operations.ts'
import type { Recorder } from './recorder.ts'
import type { Threads } from './threads.ts'

const THREADS = '/_embedded/threads'
const FAULTS = '/_embedded/faults'
const REQUESTS = '/_embedded/requests'

/**
 * The calls by which a developer or a test in another process sets the scene: plant a thread, make
 * the next calls misbehave, look at what arrived. They need no key and are never misbehaved to.
 *
 * @param app - gets the routes
 * @param parts - what the calls act on
 */
export function addControlCalls(
  app: Hono<ApiEnv>,
  parts: { threads: Threads; faultBox: FaultBox<Faults>; recorder: Recorder },
): void {
  app.post(THREADS, async (context) => {
    return context.json(parts.threads.seed(await jsonBody(context)))
  })
  app.put(FAULTS, async (context) => {
    return context.json(parts.faultBox.set(await jsonBody(context)))
  })
  app.get(REQUESTS, (context) => context.json({ object: 'list', data: parts.recorder.all() }))
  app.delete(REQUESTS, (context) => {
    parts.recorder.clear()
    return context.body(null, 204)
  })
  app.all(THREADS, notAllowed('POST'))
  app.all(FAULTS, notAllowed('PUT'))
  app.all(REQUESTS, notAllowed('GET, HEAD, DELETE'))
}
