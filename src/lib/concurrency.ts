/**
 * Runs `work` for every item, at most `limit` at a time, and waits for all of them. `work` deals with
 * its own failures: the first rejection is passed on when everything has ended.
 *
 * @param items - in the order in which they are started
 * @param limit - how many at a time
 * @param work - called once per item
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
