// Spreads the start of mints over turns of the event loop. If hundreds of mints began in one turn, new
// connections, refusals and revokes would wait until it ends.

/** Mints that begin in one turn. Until they are answered, they cause 5 to 10 ms of work. */
const PER_TURN = 16
/**
 * Mints alone never make a turn this long. After such a turn the machine is busy with something else and turns
 * are rare, so more mints begin in each.
 */
const LONG_TURN_MS = 50
const PER_LONG_TURN = 64

export function createMintTurns() {
  /** The function that begins each waiting mint, with the time at which it came; the oldest is first. */
  const waiting = new Map<() => void, number>()
  let room = PER_TURN
  let isCounting = false
  let began = 0

  /** Counts a mint that begins. The first one of a turn also schedules the next turn. */
  function count(): void {
    room--
    if (isCounting) return
    isCounting = true
    began = performance.now()
    setImmediate(nextTurn)
  }

  function nextTurn(): void {
    isCounting = false
    room = performance.now() - began > LONG_TURN_MS ? PER_LONG_TURN : PER_TURN
    for (const begin of waiting.keys()) {
      if (room === 0) return
      count()
      waiting.delete(begin)
      begin()
    }
  }

  return {
    /**
     * @returns whether a mint may begin at once; if so it is counted, if not it has to wait for `next`
     */
    mayBegin(): boolean {
      if (room === 0 || waiting.size > 0) return false
      count()
      return true
    },
    /** Resolves when the mint may begin, after those that came before it. */
    next(): Promise<void> {
      const { promise, resolve } = Promise.withResolvers<void>()
      waiting.set(resolve, performance.now())
      return promise
    },
    /** Milliseconds that the oldest waiting mint has waited. */
    waitedMs(): number {
      const [since] = waiting.values()
      return since === undefined ? 0 : performance.now() - since
    },
  }
}
