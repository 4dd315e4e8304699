import { setTimeout as wait } from 'node:timers/promises'
import type { MiddlewareHandler } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { ApiError } from '../kit/api-error.ts'
import type { FaultBox } from '../kit/fault-box.ts'
import { type Faults, faultyAnswer } from './faults.ts'
import { requireLoopback } from './guards.ts'
import type { Recorder } from './recorder.ts'
import type { MakeId } from './sessions.ts'

/** What Hono carries along with a request. */
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

/** Answers loopback hosts and origins only, see {@link requireLoopback}. */
export function loopbackOnly(): Middleware {
  return async ({ req }, next) => {
    requireLoopback(req.raw)
    await next()
  }
}

/** @param maxSize - bytes of a request's body */
export function limitBody(maxSize: number): Middleware {
  const onError = () => {
    throw new ApiError(413, `The body is longer than ${maxSize} bytes.`)
  }
  return bodyLimit({ maxSize, onError })
}

/** Remembers what arrives, and later how it was answered. */
export function recording(recorder: Recorder): Middleware {
  return async (context, next) => {
    const details = { body: await context.req.text(), requestId: context.get('requestId') }
    const answered = recorder.record(context.req.raw, details)
    await next()
    answered(context.res.status)
  }
}

/** An outage asks nobody for a key, so this stands before everything that judges the call. */
export function misbehaving(faultBox: FaultBox<Faults>): Middleware {
  return async (context, next) => {
    const wanted = faultBox.take()
    const answer = faultyAnswer(wanted)
    if (answer !== undefined) context.res = answer
    else if (wanted.hang) await untilGone(context.req.raw.signal)
    else await next()
    if (wanted.latency_ms !== undefined) await delay(wanted.latency_ms, context.req.raw.signal)
    if (wanted.retry_after !== undefined) context.header('retry-after', String(wanted.retry_after))
  }
}

/** Over early when the client goes away. */
async function delay(milliseconds: number, signal: AbortSignal): Promise<void> {
  await wait(milliseconds, undefined, { signal }).catch(() => undefined)
}

/** Never resolves while the client is there. */
function untilGone(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const gone = () => reject(new ApiError(500, 'The client has gone.'))
    if (signal.aborted) gone()
    else signal.addEventListener('abort', gone, { once: true })
  })
}
