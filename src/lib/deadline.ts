// Ends a call to another service: at a deadline for all its attempts, or when its caller leaves.

import { setTimeout as wait } from 'node:timers/promises'

/**
 * The part of an `AbortSignal` that a deadline needs. Every request has one, so it may be an object that is
 * cheaper than an `EventTarget`.
 */
export interface CallerSignal {
  readonly aborted: boolean
  /** Undefined until it has aborted. */
  readonly reason: unknown
  addEventListener(type: 'abort', listener: () => void, options?: { once: boolean }): void
  removeEventListener(type: 'abort', listener: () => void): void
}

/** Ends one call: at a point in time that all its attempts share, or when its caller leaves. */
export type Deadline = ReturnType<typeof startDeadline>

/**
 * Starts the deadline of one call. It creates no `AbortSignal` unless one is asked for: an
 * `AbortController`, its listeners and `AbortSignal.any` cost a tenth of the CPU time of a mint.
 *
 * @param milliseconds - for all attempts together, the body included
 * @param caller - aborts when nobody waits for the answer any more
 */
export function startDeadline(milliseconds: number, caller: CallerSignal | undefined) {
  const end = performance.now() + milliseconds
  let over = false
  let controller: AbortController | undefined
  let atEnd: (() => void) | undefined
  const finish = () => {
    over = true
    controller?.abort()
    atEnd?.()
  }
  // If the process stood still, bytes that came meanwhile are read between the timer and `setImmediate`.
  let turn: NodeJS.Immediate | undefined
  const timer = setTimeout(() => {
    turn = setImmediate(finish)
  }, milliseconds)
  if (caller?.aborted) finish()
  else caller?.addEventListener('abort', finish, { once: true })

  /** Aborts at the end. Created on first use. */
  function signal(): AbortSignal {
    if (controller === undefined) {
      controller = new AbortController()
      if (over) controller.abort()
    }
    return controller.signal
  }

  return {
    signal,
    /** Milliseconds left. */
    left: (): number => end - performance.now(),
    /** The cause of the end; undefined before it. */
    ended(): 'timeout' | 'caller_gone' | undefined {
      if (caller?.aborted) return isTimeout(caller.reason) ? 'timeout' : 'caller_gone'
      return over ? 'timeout' : undefined
    },
    /**
     * Sets the one listener that is called at the end, or at once when the end has come. Each step of the
     * call replaces the listener of the step before; undefined removes it.
     */
    onEnd(listener: (() => void) | undefined): void {
      atEnd = listener
      if (over) atEnd?.()
    },
    /** Resolves after the given time, or at the end. */
    pause: (milliseconds: number): Promise<void> =>
      wait(milliseconds, undefined, { signal: signal() }).catch(() => undefined),
    /** Call it when the call is over: it clears the timer and stops listening to the caller. */
    stop(): void {
      clearTimeout(timer)
      clearImmediate(turn)
      caller?.removeEventListener('abort', finish)
    },
  }
}

/** Whether the caller's `AbortSignal.timeout` fired: the caller still waits, but the upstream was too slow. */
function isTimeout(reason: unknown): boolean {
  return reason instanceof DOMException && reason.name === 'TimeoutError'
}
