// Ties upstream calls to their request: they end when the client leaves, the access log shows the last one, and the
// memory of a large answer counts until the client has it.

import type { ServerResponse } from 'node:http'
import type { CallOptions } from '../chatkit/port.ts'
import type { CallerSignal } from '../lib/deadline.ts'
import { ServiceError } from '../lib/errors.ts'
import type { HeldMemory } from '../lib/shares/memory-budget.ts'
import type { AppContext } from './context.ts'

/**
 * Options for the upstream calls of a request.
 *
 * @param withinMs - milliseconds left of the deadline, if an earlier call has used part of it
 */
export function callOptions(c: AppContext, withinMs?: number): CallOptions {
  return {
    signal: new ClientSignal(c.env.outgoing),
    observe: (call) => {
      c.get('facts').upstream = call
    },
    withinMs,
  }
}

/** Milliseconds for a client to take an answer whose memory is counted. */
const TAKEN_WITHIN_MS = 5 * 60_000

/**
 * The same for reads, whose answers are large: they count in the memory of the caller from the upstream's first
 * byte until the client has taken the answer.
 */
export function readOptions(c: AppContext): CallOptions {
  const { memory, user } = c.var
  // No user has a control character, so no user has the share of an API key.
  const caller = user ?? `\u0000${c.var.apiKey.id}`
  const held = memory.memoryFor(caller)
  releaseWhenTaken(c, held)
  return {
    ...callOptions(c),
    caller,
    // A backend reads for many users.
    work: user === undefined ? undefined : held.work,
    hold: held.holdMore,
  }
}

/** Counts memory until the client has the answer, or has left. An answer that nobody takes is cut. */
export function releaseWhenTaken(c: AppContext, held: HeldMemory): void {
  const { outgoing } = c.env
  // A client that has left by now does not leave again.
  if (outgoing.closed) {
    held.release()
    return
  }
  const cut = setTimeout(() => outgoing.destroy(), TAKEN_WITHIN_MS).unref()
  outgoing.once('close', () => {
    clearTimeout(cut)
    held.release()
  })
}

/** The end of a request whose client has left; only the log shows it. */
export function clientGone(): ServiceError {
  return new ServiceError('request_timeout', { reason: 'the client is gone' })
}

/**
 * Aborts when the connection closes before the answer is written. Made from Node's own event: the signal
 * of the adapter's `Request` costs as much as the call's headers and body together. It is a class,
 * because V8 puts the accessors of an object literal into the old generation, where they keep the whole
 * request alive until the next full collection.
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

  /** Upstream calls end before the answer does, so for them every close is an early one. */
  addEventListener(_type: 'abort', listener: () => void): void {
    this.#outgoing.on('close', listener)
  }

  removeEventListener(_type: 'abort', listener: () => void): void {
    this.#outgoing.off('close', listener)
  }
}
