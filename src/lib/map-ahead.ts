/**
 * Results in the order of the items, while the work for the next few is under way already.
 *
 * @param items - in the order in which they are started
 * @param ahead - how many are under way at a time; at least 1
 * @param work - called once per item; a rejection reaches whoever reads its place
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
      // One that fails while its turn has not come, or after the reader has left, is no crash.
      started.catch(() => undefined)
      running.push(started)
      if (running.length >= ahead) break
    }
    const next = running.shift()
    if (next === undefined) return
    yield await next
  }
}
