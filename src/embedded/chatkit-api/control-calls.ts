// The calls under `/_embedded`, with which a developer, or a test in another process, creates threads, sets faults and
// reads the recorded requests. They need no key, and faults do not apply to them.

import type { Hono } from 'hono'
import { parseJson } from '../../http/backend/parameters.ts'
import { notAllowed } from '../kit/app.ts'
import type { FaultBox } from './faults.ts'
import type { ApiEnv } from './middleware.ts'
import type { Recorder } from './recorder.ts'
import type { ThreadMemory } from './threads.ts'

const THREADS = '/_embedded/threads'
const FAULTS = '/_embedded/faults'
const REQUESTS = '/_embedded/requests'

/** Adds the calls. Their bodies are JSON, whatever the content type is. */
export function addControlCalls(
  app: Hono<ApiEnv>,
  {
    threads,
    faultBox,
    recorder,
  }: { threads: ThreadMemory; faultBox: FaultBox; recorder: Recorder },
): void {
  app.post(THREADS, async (c) => c.json(threads.seed(parseJson(await c.req.text()))))
  app.put(FAULTS, async (c) => c.json(faultBox.set(parseJson(await c.req.text()))))
  app.get(REQUESTS, (c) => c.json({ object: 'list', data: recorder.all() }))
  app.delete(REQUESTS, (c) => {
    recorder.clear()
    return c.body(null, 204)
  })
  app.all(THREADS, notAllowed('POST'))
  app.all(FAULTS, notAllowed('PUT'))
  app.all(REQUESTS, notAllowed('GET, HEAD, DELETE'))
}
