// Spreads the start of mints over turns of the event loop. If hundreds of mints began in one turn, new
// connections, refusals and revokes would wait for the end of that turn.

/** Mints that begin in one turn. Together they cause 5 to 10 ms of work until they are answered. */
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
  /** Mints that may still begin in this turn. */
  let left = PER_TURN
  let isCounting = false
  let began = 0

  /** Counts a mint that begins. The first one of a turn also schedules the next turn. */
  function count(): void {
    left--
    if (isCounting) return
    isCounting = true
    began = performance.now()
    setImmediate(nextTurn)
  }

  function nextTurn(): void {
    isCounting = false
    left = performance.now() - began > LONG_TURN_MS ? PER_LONG_TURN : PER_TURN
    for (const begin of waiting.keys()) {
      if (left === 0) return
      count()
      waiting.delete(begin)
      begin()
    }
  }

  return {
    /** @returns whether a mint may begin now; if true, it is counted, and if false, it must wait for `next` */
    mayBegin(): boolean {
      if (left === 0 || waiting.size > 0) return false
      count()
      return true
    },
    /** Resolves when the mint may begin: after all that came before it. */
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
