// Limits the memory of bodies, events and answers, per user and for the whole process, and the processor time
// that a user's large bodies and answers take.

import { setTimeout as wait } from 'node:timers/promises'
import { ServiceError } from '../errors.ts'

export type MemoryBudget = ReturnType<typeof createMemoryBudget>

/** The memory of one body, event or answer that is read in pieces. */
export type HeldMemory = ReturnType<MemoryBudget['memoryFor']>

/** Seconds until a refused request may be repeated: memory is held only briefly. */
const RETRY_SECONDS = 2

/**
 * A rest is nine times as long as the work before it. A user's large bodies thus block the process for at most
 * a tenth of the time.
 */
const REST_PER_WORK = 9
/** Up to this size, work neither waits nor counts. */
const FREE_BYTES = 16 * 1024
/** Milliseconds of rest that a user's checks, or the work of all users, may still owe, so that a few large ones pass at once. */
const OWED_MS = 500
/** Users whose rests are kept before those that are over are removed. */
const MANY_USERS = 1000

/** @param bounds - most bytes held at a time, by all users and by one user */
export function createMemoryBudget({
  memoryBytes,
  userMemoryBytes,
}: {
  readonly memoryBytes: number
  readonly userMemoryBytes: number
}) {
  const ofUsers = new Map<string, number>()
  const turns = createTurns()
  let total = 0

  return {
    checkPart: createCheckPart(),
    memoryFor(user: string) {
      let held = 0
      let released = false
      function hold(bytes: number): void {
        // A check that waits for the store may go on after the client has left: nothing would free its bytes.
        if (released) return
        const more = bytes - held
        const sum = (ofUsers.get(user) ?? 0) + more
        const why =
          total + more > memoryBytes
            ? 'gateway.memory_mb is used up'
            : sum > userMemoryBytes && 'this user holds a quarter of gateway.memory_mb'
        if (why) {
          throw new ServiceError('overloaded', { reason: why, retryAfterSeconds: RETRY_SECONDS })
        }
        if (sum === 0) ofUsers.delete(user)
        else ofUsers.set(user, sum)
        total += more
        held = bytes
      }
      return {
        /**
         * @param bytes - held from now on
         * @throws `overloaded`
         */
        hold,
        /** The same for a change of the bytes held, below 0 to free some. */
        holdMore: (more: number): void => hold(held + more),
        /**
         * Runs work on the held bytes, such as parsing them. The runs of one user take turns, and each waits
         * nine times as long as the one before took. Those of all users take at most half of the time.
         *
         * @param run - gets a function, to await if it had to wait before it begins: that wait does not count
         * @param isLong - whether it can take long; absent, the number of bytes tells
         */
        work: async <T>(run: Work<T>, isLong = held > FREE_BYTES): Promise<T> =>
          isLong ? turns(user, run) : run(uncounted),
        /** Frees all bytes. A later `hold` does nothing. */
        release(): void {
          hold(0)
          released = true
        },
      }
    },
  }
}

type Work<T> = (begin: () => Promise<void>) => T | Promise<T>

const uncounted = async () => {}

/**
 * Lets the runs of one user take turns, with rests between them. After a first burst the runs of all users rest for as
 * long as they work: ten users with large bodies would else take all of the time.
 */
function createTurns() {
  /** By user: settles when the rest after the last queued run is over. */
  const queues = new Map<string, Promise<void>>()
  /** When the rests after the runs of all users are over, and when the last run ended, by the monotonic clock. */
  let restsUntil = 0
  let lastEnded = 0

  const owedMs = () => restsUntil - performance.now() - OWED_MS

  /** Counts what is new since the last call: runs that wait for the store at the same time count once. */
  function count(began: number): void {
    const ended = performance.now()
    const alone = Math.max(ended - Math.max(began, lastEnded), 0)
    // The rest that was owed before does not pass while others work.
    restsUntil = Math.max(restsUntil, ended - alone) + 2 * alone
    lastEnded = ended
  }

  return async <T>(user: string, run: Work<T>): Promise<T> => {
    const before = queues.get(user)
    const { promise, resolve } = Promise.withResolvers<void>()
    queues.set(user, promise)
    await before
    // Not by awaiting `begin`: others who waited would pass the check before this run counts.
    for (let owed = owedMs(); owed > 0; owed = owedMs()) await wait(owed)
    let began = performance.now()
    const begin = async () => {
      for (let owed = owedMs(); owed > 0; owed = owedMs()) await wait(owed)
      began = performance.now()
    }
    const restOver = () => {
      resolve()
      if (queues.get(user) === promise) queues.delete(user)
    }
    try {
      const running = run(begin)
      count(began)
      return await running
    } finally {
      count(began)
      setTimeout(restOver, REST_PER_WORK * (performance.now() - began)).unref()
    }
  }
}

/** Lets each user's checks of streams take a tenth of the time, apart from short bursts. */
function createCheckPart() {
  /** By user: when the rests after all checks are over, by the monotonic clock. */
  const restsUntil = new Map<string, number>()

  /**
   * Checks a part of a stream: at once, or when enough of the user's rests is over.
   *
   * @returns undefined when the part has been checked
   */
  return function checkPart(
    user: string,
    run: () => Promise<void> | undefined,
  ): Promise<void> | undefined {
    const began = performance.now()
    const restMs = Math.max((restsUntil.get(user) ?? began) - began, 0)
    if (restMs > OWED_MS) return wait(restMs - OWED_MS).then(() => checkPart(user, run))
    try {
      return run()
    } finally {
      const ended = performance.now()
      if (restsUntil.size >= MANY_USERS) {
        for (const [one, until] of restsUntil) if (until <= ended) restsUntil.delete(one)
      }
      restsUntil.set(user, ended + restMs + REST_PER_WORK * (ended - began))
    }
  }
}
