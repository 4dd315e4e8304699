// Bounded concurrency: runs work for many items, a few at a time.

/**
 * Runs `work` for every item, at most `limit` at a time, and waits for all of them. `work` must handle its own
 * failures: after each rejection, one item fewer runs at a time, and when all `limit` have failed, no more
 * items are started. When everything has ended, the first rejection is thrown.
 *
 * @param items - in the order in which they are started
 */
export async function eachBounded<T>(
  items: readonly T[],
  limit: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const waiting = items.values()
  const lanes = Array.from({ length: Math.min(limit, items.length) }, async () => {
    for (const item of waiting) await work(item)
  })
  const results = await Promise.allSettled(lanes)
  const failed = results.find((result) => result.status === 'rejected')
  if (failed) throw failed.reason
}

/**
 * Yields results in the order of the items, and starts the work for the next few items in advance.
 *
 * @param items - in the order in which they are started
 * @param ahead - how many are under way at a time; at least 1
 * @param work - called once per item; a rejection is thrown to the reader when its turn comes
 */
export async function* mapAhead<T, R>(
  items: readonly T[],
  ahead: number,
  work: (item: T) => Promise<R>,
): AsyncGenerator<R, void, undefined> {
  const waiting = items.values()
  const running: Promise<R>[] = []
  for (;;) {
    for (const item of waiting) {
      const started = work(item)
      // Without this handler, a failure before its turn or after the reader has left would end the process.
      started.catch(() => undefined)
      running.push(started)
      if (running.length >= ahead) break
    }
    const next = running.shift()
    if (next === undefined) return
    yield await next
  }
}
