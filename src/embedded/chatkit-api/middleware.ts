// Middleware for every call of the embedded ChatKit API: request id, and the check of the page.

import type { HttpBindings } from '@hono/node-server'
import type { MiddlewareHandler } from 'hono'
import { ApiError } from '../../http/backend/api-error.ts'
import { newId } from '../../lib/ids.ts'
import { isLoopbackUrl } from '../kit/app.ts'

/** Bindings and variables that Hono carries along with a request. */
export interface ApiEnv {
  Bindings: Partial<HttpBindings>
  Variables: {
    /** Sent as `x-request-id`. */
    requestId: string
  }
}

type Middleware = MiddlewareHandler<ApiEnv>

/** Gives every answer its `x-request-id`. */
export const identify: Middleware = async (context, next) => {
  context.set('requestId', newId('req_'))
  await next()
  context.header('x-request-id', context.get('requestId'))
}

/** Refuses pages of other origins, which send `Origin`. */
export const loopbackOrigin: Middleware = async ({ req }, next) => {
  const origin = req.header('origin')
  if (origin !== undefined && !isLoopbackUrl(origin)) {
    throw new ApiError(403, 'This server answers only to loopback origins.')
  }
  await next()
}
