// Handles every call of the embedded ChatKit API before its operation is looked at.

import type { MiddlewareHandler } from 'hono'
import type { Clock } from '../../lib/clock.ts'
import { type FaultBox, faultyAnswer, holdBack, untilGone } from '../kit/faults.ts'
import type { Faults } from './faults.ts'
import { type OpenRequest, recordOf } from './recorder.ts'
import type { MakeId } from './sessions.ts'

/** Variables that Hono carries along with a request. */
export interface ApiEnv {
  Variables: {
    /** Goes out as `x-request-id`. */
    requestId: string
  }
}

type Middleware = MiddlewareHandler<ApiEnv>

/** Gives every answer its `x-request-id`. */
export function identify(makeId: MakeId): Middleware {
  return async (context, next) => {
    context.set('requestId', makeId('req_'))
    await next()
    context.header('x-request-id', context.get('requestId'))
  }
}

/** Remembers what arrives, and later how it was answered. */
export function recording(add: (entry: OpenRequest) => OpenRequest, now: Clock): Middleware {
  return async (context, next) => {
    const details = { body: await context.req.text(), requestId: context.get('requestId'), now }
    const entry = add(recordOf(context.req.raw, details))
    await next()
    entry.status = context.res.status
  }
}

/** An outage asks nobody for a key, so this stands before everything that judges the call. */
export function misbehaving(faultBox: FaultBox<Faults>): Middleware {
  return async (context, next) => {
    const wanted = faultBox.take()
    const { signal } = context.req.raw
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
