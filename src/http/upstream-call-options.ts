import type { ServerResponse } from 'node:http'
import type { CallOptions } from '../chatkit/port.ts'
import type { CallerSignal } from '../lib/deadline.ts'
import { clientGone } from './client-gone.ts'
import type { AppContext } from './context.ts'

/**
 * What goes with the upstream calls of a request: they end when the client leaves, and what the last
 * of them cost stands in the access log.
 *
 * @param c - the request; without a server, as in some tests, nobody can leave
 */
export function callOptions(c: AppContext): CallOptions {
  const { outgoing } = c.env
  return {
    ...(outgoing && { signal: new ClientSignal(outgoing as ServerResponse) }),
    observe: (call) => {
      c.get('trace').upstream = call
    },
  }
}

/**
 * Aborts when the connection closes before the answer is written. Made from Node's own event: the
 * signal of the adapter's `Request` costs as much as the call's headers and body together. A class,
 * because V8 puts the accessors of an object literal into the old generation, from where they hold on
 * to all of the request until the next full collection.
 */
class ClientSignal implements CallerSignal {
  readonly #outgoing: ServerResponse

  constructor(outgoing: ServerResponse) {
    this.#outgoing = outgoing
  }

  get aborted(): boolean {
    return this.#outgoing.closed && !this.#outgoing.writableFinished
  }

  get reason(): unknown {
    return this.aborted ? clientGone() : undefined
  }

  throwIfAborted(): void {
    if (this.aborted) throw clientGone()
  }

  /** Calls end before the answer does, so to them each close is an early one. */
  addEventListener(_type: 'abort', listener: () => void): void {
    this.#outgoing.on('close', listener)
  }

  removeEventListener(_type: 'abort', listener: () => void): void {
    this.#outgoing.off('close', listener)
  }
}
