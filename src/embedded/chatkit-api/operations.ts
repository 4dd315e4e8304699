// Serves the six operations of the ChatKit API from memory, with the routes, parameters and errors of this
// service's own API for backends.

import type { Hono } from 'hono'
import { operationHandlers } from '../../http/backend/operations.ts'
import { BACKEND_ROUTES } from '../../http/backend/routes.ts'
import { notAllowed } from '../kit/app.ts'
import { requireCredentials } from './credentials.ts'
import type { ApiEnv } from './middleware.ts'
import type { Sessions } from './sessions.ts'
import type { ThreadMemory } from './threads.ts'

/** Credentials are checked for each operation, and not for all paths, so that an unknown path is 404 for everyone. */
export function addOperations(
  app: Hono<ApiEnv>,
  { sessions, threads }: { sessions: Sessions; threads: ThreadMemory },
): void {
  const handlers = operationHandlers<ApiEnv>({
    readBody: (c) => c.req.text(),
    createSession: (_c, params) => sessions.create(params),
    cancelSession: (_c, id) => sessions.cancel(id),
    listThreads: (_c, query) => threads.list(query),
    retrieveThread: (_c, id) => threads.retrieve(id),
    deleteThread: (_c, id) => threads.remove(id),
    listItems: (_c, id, query) => threads.listItems(id, query),
  })
  const methods = new Map<string, string[]>()
  for (const name of Object.keys(BACKEND_ROUTES) as (keyof typeof BACKEND_ROUTES)[]) {
    const { method, path } = BACKEND_ROUTES[name]
    const pattern = path.replaceAll(/\{(\w+)\}/g, ':$1')
    app.on(method, pattern, requireCredentials, handlers[name])
    const shown = method === 'GET' ? ['GET', 'HEAD'] : [method]
    methods.set(pattern, [...(methods.get(pattern) ?? []), ...shown])
  }
  for (const [pattern, allowed] of methods) app.all(pattern, notAllowed(allowed.join(', ')))
}
