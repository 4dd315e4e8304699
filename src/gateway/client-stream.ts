// The client's side of a stream: asks the server for more when the client's connection has room for it,
// and never before; keeps the connection alive; ends the stream on time.

import type { HttpBindings } from '@hono/node-server'
import type { ServerEvent } from '../chatkit/protocol/event.ts'
import { type StreamEnd, StreamFault } from './stream-fault.ts'

/** Bounds of a stream, in milliseconds. */
export interface StreamLimits {
  /** Silence after which a comment goes out, so that no proxy takes the connection for dead. */
  readonly heartbeatMs: number
  /** Silence of the server after which the stream ends. */
  readonly idleMs: number
  /** Length of the whole stream. */
  readonly totalMs: number
}

/** After its end a connection has this long to take the last event, in milliseconds. */
const LAST_EVENT_MS = 250

const HEARTBEAT = Buffer.from(': \n\n')

type Next =
  | { readonly kind: 'chunk'; readonly chunk: Uint8Array }
  | { readonly kind: 'over' }
  | { readonly kind: 'fault'; readonly fault: StreamFault }

/**
 * @param parts - `chunks`: ready to go out, a `StreamFault` when the stream must not go on;
 * `connection`: the client's, undefined without a server; `server`: destroyed at the end, perhaps more
 * than once; `onEnd`: called once, without a fault when the server finished or the client left
 * @returns the body of the answer, and `end`, which ends it now with a last event that says why
 */
export function clientStream({
  chunks,
  limits,
  connection,
  server,
  onEnd,
}: {
  readonly chunks: AsyncGenerator<Uint8Array, void, void>
  readonly limits: StreamLimits
  readonly connection: HttpBindings['outgoing'] | undefined
  readonly server: { destroy(): unknown }
  readonly onEnd: (fault: StreamFault | undefined) => void
}) {
  let next: { readonly promise: Promise<Next>; readonly since: number } | undefined
  let wake: (() => void) | undefined
  let ending: StreamFault | undefined
  let cancelled = false
  let over = false

  const finish = (fault: StreamFault | undefined): void => {
    if (over) return
    over = true
    clearTimeout(total)
    server.destroy()
    onEnd(fault)
  }
  const end = (why: StreamEnd): void => {
    if (over || ending !== undefined) return
    ending = new StreamFault(why)
    server.destroy()
    wake?.()
    // A client that does not read keeps nothing open.
    setTimeout(() => {
      finish(ending)
      if (connection?.writableFinished === false) connection.destroy()
    }, LAST_EVENT_MS).unref()
  }
  const total = setTimeout(() => end('too_long'), limits.totalMs).unref()

  /** The next chunk, or undefined when it is time for a heartbeat or an end. */
  const wait = async (): Promise<Next | undefined> => {
    next ??= { promise: nextOf(chunks), since: performance.now() }
    const { promise, since } = next
    const left = limits.idleMs - (performance.now() - since)
    if (left <= 0) end('server_silent')
    if (ending !== undefined) return undefined
    // Not `Promise.race`: with a promise that lasts as long as the stream it would leak.
    const came = await new Promise<Next | undefined>((resolve) => {
      const timer = setTimeout(resolve, Math.min(limits.heartbeatMs, left), undefined)
      const settle = (first?: Next): void => {
        clearTimeout(timer)
        resolve(first)
      }
      wake = settle
      void promise.then(settle)
    })
    wake = undefined
    if (came !== undefined) next = undefined
    return came
  }
  const pull = async (controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> => {
    const came = ending === undefined ? await wait() : undefined
    if (cancelled) return
    const fault = ending ?? (came?.kind === 'fault' ? came.fault : undefined)
    if (fault === undefined && came?.kind !== 'over') {
      controller.enqueue(came?.kind === 'chunk' ? came.chunk : HEARTBEAT)
      return
    }
    if (fault !== undefined) controller.enqueue(frameOf(fault.event))
    controller.close()
    finish(fault)
  }
  const cancel = (): void => {
    cancelled = true
    wake?.()
    finish(ending)
  }
  // Nothing is read ahead.
  return { body: new ReadableStream({ pull, cancel }, { highWaterMark: 0 }), end }
}

async function nextOf(chunks: AsyncGenerator<Uint8Array, void, void>): Promise<Next> {
  try {
    const { done, value } = await chunks.next()
    return done ? { kind: 'over' } : { kind: 'chunk', chunk: value }
  } catch (error) {
    const fault = error instanceof StreamFault ? error : new StreamFault('broke_off', error)
    return { kind: 'fault', fault }
  }
}

function frameOf(event: ServerEvent): Uint8Array {
  return Buffer.from(`data: ${JSON.stringify(event)}\n\n`)
}
