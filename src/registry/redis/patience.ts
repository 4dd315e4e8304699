// Waits for an answer of Redis until a deadline.

/** A timer that fires this much too late means that the process itself was busy. Milliseconds. */
const LATE_MS = 20
const AGAIN_MS = 20

/** Redis has not answered in time. */
export class NoAnswerError extends Error {
  override readonly name = 'NoAnswerError'
}

/**
 * Waits for work that asks Redis. If the process was busy at the deadline, it waits a moment longer: the
 * answer may have arrived unread, or the command may only just have been sent.
 *
 * @param work - gets a function that says whether the time is over
 * @throws {@link NoAnswerError} once it is
 */
export function within<T>(
  milliseconds: number,
  work: (isOver: () => boolean) => Promise<T>,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const due = performance.now() + milliseconds
    let over = false
    const refuse = () => {
      over = true
      reject(new NoAnswerError(`no answer within ${milliseconds} ms`))
    }
    let timer = setTimeout(() => {
      if (performance.now() - due < LATE_MS) setImmediate(refuse)
      else timer = setTimeout(() => setImmediate(refuse), AGAIN_MS)
    }, milliseconds)
    work(() => over).then(
      (value) => {
        clearTimeout(timer)
        resolve(value)
      },
      (error: unknown) => {
        clearTimeout(timer)
        reject(error)
      },
    )
  })
}
