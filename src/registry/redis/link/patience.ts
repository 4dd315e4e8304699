// Tells a Redis that hangs from one that is slow: a hanging one answers nothing at all.

/** How often the calls under way are looked at in the time that Redis may be silent. */
const LOOKS = 5
/** After this many times that silence a single call is refused, even while others are answered. */
const MOST_WAIT = 8

/** Redis has not answered anything for so long that it counts as down. */
export class NoAnswerError extends Error {
  override readonly name = 'NoAnswerError'
}

/**
 * Waits for the answers of one connection. Redis gives them in the order of the commands: while any comes,
 * the calls under way are only waiting for their turn, and a full machine is no outage. When none has come
 * for so long, all of them are refused.
 *
 * @param milliseconds - of silence; time in which this process could not have heard an answer does not count
 */
export function createPatience(milliseconds: number) {
  const lookMs = milliseconds / LOOKS
  const mostWaitMs = milliseconds * MOST_WAIT
  /** Calls under way, the oldest first. */
  const calls = new Set<{ readonly since: number; readonly refuse: (error: Error) => void }>()
  let silentMs = 0
  let listenedAt = 0
  let looking = false

  function look(): void {
    looking = true
    // An answer that lies in the socket is read between a timer and the next `setImmediate`.
    setTimeout(() => setImmediate(judge), lookMs).unref()
  }

  function judge(): void {
    looking = false
    const now = performance.now()
    // While this process was busy, it heard nothing: a look that comes late counts as two, not more.
    silentMs += Math.min(now - listenedAt, 2 * lookMs)
    listenedAt = now
    const hangs = silentMs >= milliseconds
    for (const { since, refuse } of calls) {
      if (hangs) refuse(new NoAnswerError(`no answer within ${milliseconds} ms`))
      else if (now - since > mostWaitMs) refuse(new Error(`slow: no turn in ${mostWaitMs} ms`))
    }
    if (calls.size > 0) look()
  }

  function listen(): void {
    silentMs = 0
    listenedAt = performance.now()
  }

  return {
    /**
     * @param work - gets a function that says whether the time is over
     * @throws {@link NoAnswerError} when nothing was answered; another error when only this call was not
     */
    within: <T>(work: (isOver: () => boolean) => Promise<T>): Promise<T> =>
      new Promise((resolve, reject) => {
        if (calls.size === 0) listen()
        if (!looking) look()
        const refuse = (error: Error) => {
          calls.delete(call)
          reject(error)
        }
        const call = { since: performance.now(), refuse }
        calls.add(call)
        const heard =
          <A>(settle: (answer: A) => void) =>
          (answer: A) => {
            calls.delete(call)
            listen()
            settle(answer)
          }
        work(() => !calls.has(call)).then(heard(resolve), heard(reject))
      }),
    /** Milliseconds that the oldest call under way has waited. */
    waitedMs(): number {
      const [oldest] = calls
      return oldest === undefined ? 0 : performance.now() - oldest.since
    },
  }
}
