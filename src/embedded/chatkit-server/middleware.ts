// Middleware for every request of the sample server: body, recording, faults.

import type { HttpBindings } from '@hono/node-server'
import type { MiddlewareHandler } from 'hono'
import { z } from 'zod'
import type { Clock } from '../../lib/clock.ts'
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
import { recordOf, type ServerRequest } from './recorder.ts'

/** Bindings and variables that Hono carries along with a request. */
export interface ServerEnv {
  Bindings: HttpBindings
  Variables: {
    /** The unchanged body. */
    bytes: Uint8Array
    /** The request's record, completed while it is answered. */
    entry: ServerRequest
    /** The faults that apply to the request. */
    faults: ServerFaults
  }
}

type Middleware = MiddlewareHandler<ServerEnv>

/** Reads the body, records the request, and later its outcome. */
export function recording({ add }: Recorder<ServerRequest>, now: Clock): Middleware {
  return async (context, next) => {
    const bytes = new Uint8Array(await context.req.arrayBuffer())
    const entry = add(recordOf(context.req.raw, bytes, now))
    context.set('bytes', bytes)
    context.set('entry', entry)
    await next()
    if (entry.outcome !== 'pending') return
    const { status, headers } = context.res
    entry.status = status
    const streams = headers.get('content-type')?.startsWith('text/event-stream')
    if (!streams) entry.outcome = 'answered'
  }
}

/**
 * How the next requests misbehave. Everything is optional; an empty object is good behaviour again.
 * Besides the common ones:
 *
 * - `down`: the connection is cut without an answer
 * - `first_byte_ms`: headers and body are delayed, after the request has been carried out
 * - `close_after_frames`: a stream is cut after this number of frames, in the middle of the answer
 * - `chunk_bytes`: a stream is sent in pieces of this size, which split characters and frames
 */
export const faults = commonFaults.extend({
  down: z.boolean().optional(),
  first_byte_ms: milliseconds.optional(),
  close_after_frames: z.int().min(0).optional(),
  chunk_bytes: z.int().min(1).optional(),
})
export type ServerFaults = z.infer<typeof faults>

/** Applies the faults that are set. It runs before the checks, because a real outage does not check ids first. */
export function misbehaving(faultBox: FaultBox<ServerFaults>): Middleware {
  return async (context, next) => {
    const wanted = faultBox.take()
    const signal = signalOfLeaving(context.env)
    context.set('faults', wanted)
    if (wanted.down) {
      context.get('entry').outcome = 'cut'
      context.env.outgoing.destroy()
      context.res = new Response(null, { status: 502 })
      return
    }
    if (wanted.hang) {
      await untilGone(signal)
      context.get('entry').outcome = 'client_gone'
      context.res = new Response(null, { status: 502 })
      return
    }
    const answer = faultyAnswer(wanted)
    if (answer === undefined) await next()
    else context.res = answer
    await holdBack(wanted.first_byte_ms, signal)
  }
}
