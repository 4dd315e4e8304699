// Middleware for every call of the embedded ChatKit API: request id, check of the page, recording, faults.

import type { HttpBindings } from '@hono/node-server'
import type { MiddlewareHandler } from 'hono'
import { z } from 'zod'
import { ApiError } from '../../http/backend/api-error.ts'
import type { Clock } from '../../lib/clock.ts'
import { newId } from '../../lib/ids.ts'
import { isLoopbackUrl } from '../kit/app.ts'
import {
  commonFaults,
  type FaultBox,
  faultyAnswer,
  holdBack,
  milliseconds,
  signalOfLeaving,
  untilGone,
} from '../kit/faults.ts'
import type { Recorder } from '../kit/recorder.ts'
import { type RecordedRequest, recordOf } from './recorder.ts'

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

/** Records each request, and later the status of its answer. */
export function recording({ add }: Recorder<RecordedRequest>, now: Clock): Middleware {
  return async (context, next) => {
    const details = { body: await context.req.text(), requestId: context.get('requestId'), now }
    const entry = add(recordOf(context.req.raw, details))
    await next()
    entry.status = context.res.status
  }
}

/**
 * How the next calls misbehave. Everything is optional; an empty object is good behaviour again.
 * Besides the common ones:
 *
 * - `latency_ms`: the answer is delayed, after the call has been carried out
 * - `hang` with `status` or `body`: these are sent, and the answer never ends
 * - `retry_after`: value of the header `Retry-After`: seconds or any text
 */
export const faults = commonFaults.extend({
  latency_ms: milliseconds.optional(),
  retry_after: z.union([z.int().min(0), z.string().regex(/^[\x20-\x7e]+$/)]).optional(),
})
export type Faults = z.infer<typeof faults>

/** Applies the faults that are set. It runs before the checks, because a real outage does not ask for a key first. */
export function misbehaving(faultBox: FaultBox<Faults>): Middleware {
  return async (context, next) => {
    const wanted = faultBox.take()
    const signal = signalOfLeaving(context.env)
    const answer = faultyAnswer(wanted)
    if (answer !== undefined) context.res = answer
    else if (wanted.hang) {
      await untilGone(signal)
      context.res = new Response(null, { status: 500 })
    } else await next()
    await holdBack(wanted.latency_ms, signal)
    if (wanted.retry_after !== undefined) context.header('retry-after', String(wanted.retry_after))
  }
}
