import type { HttpBindings } from '@hono/node-server'
import type { ServerEvent } from '../chatkit/protocol/event.ts'
import { type StreamEnd, StreamFault } from './stream-fault.ts'

/** Bounds of a stream, in milliseconds. */
export interface StreamLimits {
  /** Silence after which a comment goes out, so that no proxy on the way takes the stream for dead. */
  readonly heartbeatMs: number
  /** Silence of the server after which the stream ends. */
  readonly idleMs: number
  /** The whole stream. */
  readonly totalMs: number
}

/** What {@link clientStream} needs. */
export interface ClientStreamOptions {
  /** What the server says, looked at and ready to go out; a `StreamFault` when it must not go on. */
  readonly chunks: AsyncGenerator<Uint8Array, void, void>
  readonly limits: StreamLimits
  /** The client's connection; undefined without a server. */
  readonly connection: HttpBindings['outgoing'] | undefined
  /** Lets go of the server; more than once, perhaps. */
  readonly abort: () => void
  /** Told once how the stream ended: undefined when the server finished, or the client left. */
  readonly onEnd: (fault: StreamFault | undefined) => void
}

/** A stream to the client. */
export interface ClientStream {
  readonly body: ReadableStream<Uint8Array>
  /** Ends it now, with a last event that says why. */
  end(why: StreamEnd): void
}

/** After its end a connection has this long to take the last event, in milliseconds. */
const LAST_EVENT_MS = 250

const HEARTBEAT = Buffer.from(': \n\n')

type Next =
  | { readonly kind: 'chunk'; readonly chunk: Uint8Array }
  | { readonly kind: 'over' }
  | { readonly kind: 'fault'; readonly fault: StreamFault }

/**
 * The client's side of a stream: asks the server for more when the connection has room for it, and
 * never before; keeps the connection alive; ends it on time.
 *
 * @param options - chunks, limits, whom to tell
 */
export function clientStream(options: ClientStreamOptions): ClientStream {
  const { chunks, limits, connection, abort, onEnd } = options
  let next: { readonly promise: Promise<Next>; readonly since: number } | undefined
  let wake: (() => void) | undefined
  let ending: StreamFault | undefined
  let cancelled = false
  let over = false

  const finish = (fault: StreamFault | undefined): void => {
    if (over) return
    over = true
    clearTimeout(total)
    abort()
    onEnd(fault)
  }
  const end = (why: StreamEnd): void => {
    if (over || ending !== undefined) return
    ending = new StreamFault(why)
    abort()
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
    const left = limits.idleMs - (performance.now() - next.since)
    if (left <= 0) end('server_silent')
    if (ending !== undefined) return undefined
    const came = await firstOf(next.promise, Math.min(limits.heartbeatMs, left), (callback) => {
      wake = callback
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

/** What comes first. `Promise.race` with something that lasts as long as the stream would leak. */
function firstOf<T>(
  promise: Promise<T>,
  milliseconds: number,
  setWake: (callback: () => void) => void,
): Promise<T | undefined> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(undefined), milliseconds)
    const settle = (value: T | undefined): void => {
      clearTimeout(timer)
      resolve(value)
    }
    setWake(() => settle(undefined))
    void promise.then(settle)
  })
}

function frameOf(event: ServerEvent): Uint8Array {
  return Buffer.from(`data: ${JSON.stringify(event)}\n\n`)
}
