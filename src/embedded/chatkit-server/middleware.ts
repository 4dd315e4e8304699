import { once } from 'node:events'
import { setTimeout as wait } from 'node:timers/promises'
import type { HttpBindings } from '@hono/node-server'
import type { MiddlewareHandler } from 'hono'
import { isLoopback } from '../../lib/loopback.ts'
import { faultyAnswer } from '../chatkit-api/faults.ts'
import { ApiError } from '../kit/api-error.ts'
import type { FaultBox } from '../kit/fault-box.ts'
import type { ServerFaults } from './faults.ts'
import type { OpenEntry, ServerRecorder } from './recorder.ts'

/** What Hono carries along with a request. */
export interface ServerEnv {
  Bindings: Partial<HttpBindings>
  Variables: {
    /** The body as it came. */
    bytes: Uint8Array
    /** What is recorded of the request. */
    entry: OpenEntry
    /** Those that apply to it. */
    faults: ServerFaults
  }
}

type Middleware = MiddlewareHandler<ServerEnv>

/** Keeps out web pages whose name was made to resolve to this machine (DNS rebinding). */
export const loopbackHost: Middleware = async ({ req }, next) => {
  const host = `http://${req.header('host') ?? new URL(req.url).host}`
  if (!URL.canParse(host) || !isLoopback(new URL(host).hostname)) {
    throw new ApiError(403, 'This server answers only to loopback hosts.')
  }
  await next()
}

/** Reads the body, remembers the request, and later how it was answered. */
export function recording(recorder: ServerRecorder): Middleware {
  return async (context, next) => {
    const bytes = new Uint8Array(await context.req.arrayBuffer())
    const entry = recorder.record(context.req.raw, bytes)
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

/** Stands before everything that judges a request: an outage asks for no ids. */
export function misbehaving(faultBox: FaultBox<ServerFaults>): Middleware {
  return async (context, next) => {
    const wanted = faultBox.take()
    const { signal } = context.req.raw
    context.set('faults', wanted)
    if (wanted.down) {
      context.get('entry').outcome = 'cut'
      context.env.outgoing?.destroy()
      context.res = new Response(null, { status: 502 })
      return
    }
    if (wanted.hang) {
      if (!signal.aborted) await once(signal, 'abort')
      context.get('entry').outcome = 'client_gone'
      context.res = new Response(null, { status: 502 })
      return
    }
    const { status, body } = wanted
    const answer = faultyAnswer({
      ...(status !== undefined && { status }),
      ...(body !== undefined && { body }),
    })
    if (answer === undefined) await next()
    else context.res = answer
    if (wanted.first_byte_ms !== undefined) {
      await wait(wanted.first_byte_ms, undefined, { signal }).catch(() => undefined)
    }
  }
}
