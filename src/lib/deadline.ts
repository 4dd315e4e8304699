import { setTimeout as wait } from 'node:timers/promises'

/**
 * As much of an `AbortSignal` as the end of a call takes. One whose listeners cost less than an
 * `EventTarget` will do for what happens with every request.
 */
export interface CallerSignal {
  readonly aborted: boolean
  /** Undefined before. */
  readonly reason: unknown
  throwIfAborted(): void
  addEventListener(type: 'abort', listener: () => void, options?: { once: boolean }): void
  removeEventListener(type: 'abort', listener: () => void): void
}

/** The end of one call: a point in time that all its attempts share, or its caller's leaving. */
export interface Deadline {
  /** Aborts at the end. Made when it is first asked for. */
  signal(): AbortSignal
  /** Milliseconds left. */
  left(): number
  /** Which end it was; undefined before it. */
  ended(): 'timeout' | 'caller_gone' | undefined
  /**
   * Whom to tell at the end, at once when that has come: the step that the call is at, which takes the
   * place of the one before. Undefined when it is past that step.
   */
  onEnd(listener: (() => void) | undefined): void
  /** Resolves after so many milliseconds, or at the end. */
  pause(milliseconds: number): Promise<void>
  /** The call is over: lets go of timer and caller. */
  stop(): void
}

/**
 * Starts the clock for one call, without a signal of its own: an `AbortController`, its listeners and
 * `AbortSignal.any` cost a tenth of a whole mint.
 *
 * @param milliseconds - for all attempts together, the body included
 * @param caller - aborts when nobody waits for the answer any more
 */
export function startDeadline(milliseconds: number, caller: CallerSignal | undefined): Deadline {
  const end = performance.now() + milliseconds
  let over = false
  let controller: AbortController | undefined
  let told: (() => void) | undefined
  const finish = () => {
    over = true
    controller?.abort()
    told?.()
  }
  const timer = setTimeout(finish, milliseconds)
  if (caller?.aborted) finish()
  else caller?.addEventListener('abort', finish, { once: true })

  function signal(): AbortSignal {
    if (controller === undefined) {
      controller = new AbortController()
      if (over) controller.abort()
    }
    return controller.signal
  }

  return {
    signal,
    left: () => end - performance.now(),
    ended() {
      if (caller?.aborted) return isTimeout(caller.reason) ? 'timeout' : 'caller_gone'
      return over ? 'timeout' : undefined
    },
    onEnd(listener) {
      told = listener
      if (over) told?.()
    },
    pause: (pauseMs) => wait(pauseMs, undefined, { signal: signal() }).catch(() => undefined),
    stop() {
      clearTimeout(timer)
      caller?.removeEventListener('abort', finish)
    },
  }
}

/** `AbortSignal.timeout`: the caller is there, and found the upstream too slow. */
function isTimeout(reason: unknown): boolean {
  return reason instanceof DOMException && reason.name === 'TimeoutError'
}
