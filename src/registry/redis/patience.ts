// Waits for Redis, but not for ever.

/** A timer that fires so much later than it should found the process busy. */
const LATE_MS = 20
const AGAIN_MS = 20

/** Redis has not answered in time. */
export class NoAnswerError extends Error {
  override readonly name = 'NoAnswerError'
}

/**
 * Waits for work that asks Redis. If this process itself was late it waits a moment longer: the answer is
 * there to be read, or the command has only just been sent.
 *
 * @param work - can ask whether the time is over
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
