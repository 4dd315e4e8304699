// Spreads the mints that begin over the turns of the event loop. A turn in which hundreds of them begin takes so
// long that all others wait for its end: new connections, refusals, revokes.

/** Mints that begin in one turn: 5 to 10 ms of work until they are answered. */
const PER_TURN = 16
/** They never take so long themselves: the machine is busy with something else, and turns are few. */
const LONG_TURN_MS = 50
const PER_LONG_TURN = 64

export function createMintTurns() {
  /** Begins a mint, and when it came. The first came first. */
  const waiting = new Map<() => void, number>()
  let room = PER_TURN
  let isCounting = false
  let began = 0

  /** From the first mint of a turn on, counts until the next one. */
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
    /** @returns whether a mint may begin at once; it is counted, and else has to wait for `next` */
    now(): boolean {
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
    /** Milliseconds for which the first of them has been waiting. */
    waitedMs(): number {
      const [since] = waiting.values()
      return since === undefined ? 0 : performance.now() - since
    },
  }
}
