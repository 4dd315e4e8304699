import type { Hono } from 'hono'
import { jsonBody, requireLoopback } from '../chatkit-api/guards.ts'
import type { FaultBox } from '../kit/fault-box.ts'
import type { ServerFaults } from './faults.ts'
import type { ServerEnv } from './middleware.ts'
import { type ServerRecorder, withoutCredentials } from './recorder.ts'

const FAULTS = '/_embedded/faults'
const REQUESTS = '/_embedded/requests'

/**
 * The calls by which a developer or a test in another process makes the next requests misbehave and
 * looks at what arrived. They are never misbehaved to, and no foreign page may make them.
 *
 * @param app - gets the routes
 * @param parts - what the calls act on
 */
export function addServerControl(
  app: Hono<ServerEnv>,
  { faultBox, recorder }: { faultBox: FaultBox<ServerFaults>; recorder: ServerRecorder },
): void {
  app.use('/_embedded/*', async ({ req }, next) => {
    requireLoopback(req.raw)
    await next()
  })
  app.put(FAULTS, async (context) => context.json(faultBox.set(await jsonBody(context))))
  app.get(REQUESTS, (context) => {
    return context.json({ object: 'list', data: recorder.all().map(withoutCredentials) })
  })
  app.delete(REQUESTS, (context) => {
    recorder.clear()
    return context.body(null, 204)
  })
  app.all('/_embedded/*', (context) => context.notFound())
}
