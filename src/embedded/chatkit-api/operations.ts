// The routes of the six operations of the ChatKit API.

import type { Hono, MiddlewareHandler } from 'hono'
import { createSessionParams } from '../../chatkit/wire/session.ts'
import { listQuery, threadListQuery } from '../../chatkit/wire/wire.ts'
import { parseOrRefuse } from '../../http/backend/api-error.ts'
import { notAllowed } from '../kit/app.ts'
import { apiBody, queryOf, requireCredentials } from './guards.ts'
import type { ApiEnv } from './middleware.ts'
import type { Sessions } from './sessions.ts'
import type { ThreadMemory } from './threads.ts'

const SESSIONS = '/v1/chatkit/sessions'
const CANCEL = '/v1/chatkit/sessions/:id/cancel'
const THREADS = '/v1/chatkit/threads'
const THREAD = '/v1/chatkit/threads/:id'
const ITEMS = '/v1/chatkit/threads/:id/items'

/** Each operation asks for credentials itself, so that unknown paths are 404 to everyone. */
const guarded: MiddlewareHandler<ApiEnv> = async ({ req }, next) => {
  requireCredentials(req.raw.headers)
  await next()
}

/**
 * The six operations of the reference.
 *
 * @param app - gets the routes
 * @param stores - where sessions and threads are
 */
export function addOperations(
  app: Hono<ApiEnv>,
  { sessions, threads }: { sessions: Sessions; threads: ThreadMemory },
): void {
  app.post(SESSIONS, guarded, async (context) => {
    return context.json(sessions.create(parseOrRefuse(createSessionParams, await apiBody(context))))
  })
  app.post(CANCEL, guarded, (context) => context.json(sessions.cancel(context.req.param('id'))))
  app.get(THREADS, guarded, (context) => {
    return context.json(threads.list(parseOrRefuse(threadListQuery, queryOf(context))))
  })
  app.get(THREAD, guarded, (context) => context.json(threads.retrieve(context.req.param('id'))))
  app.delete(THREAD, guarded, (context) => context.json(threads.remove(context.req.param('id'))))
  app.get(ITEMS, guarded, (context) => {
    const query = parseOrRefuse(listQuery, queryOf(context))
    return context.json(threads.listItems(context.req.param('id'), query))
  })
  for (const path of [SESSIONS, CANCEL]) app.all(path, notAllowed('POST'))
  for (const path of [THREADS, ITEMS]) app.all(path, notAllowed('GET, HEAD'))
  app.all(THREAD, notAllowed('GET, HEAD, DELETE'))
}
