// Bounds the memory that bodies, events and answers take, for one user and for all users of this process
// together, and the share of the processor that a user's large bodies and answers take.
import { ServiceError } from '../errors.ts'

/** {@link createMemoryBudget} */
export type MemoryBudget = ReturnType<typeof createMemoryBudget>

/** The memory of one body, event or answer that is read in pieces. */
export type HeldMemory = ReturnType<MemoryBudget['memoryFor']>

/** Seconds after which a refused request may be tried again: memory is held only for moments. */
const RETRY_SECONDS = 2

/** A user's large bodies are worked on for at most a tenth of the time: nothing else runs meanwhile. */
const REST_PER_WORK = 9
/** So little is worked on without waiting, and without being counted. */
const FREE_BYTES = 64 * 1024

/** @param bounds - bytes held at a time, of everybody and of one user */
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

  function check(user: string, more: number): void {
    const sum = (ofUsers.get(user) ?? 0) + more
    const why =
      total + more > memoryBytes
        ? 'gateway.memory_mb is used up'
        : sum > userMemoryBytes && 'this user holds a quarter of gateway.memory_mb'
    if (why) throw new ServiceError('overloaded', { reason: why, retryAfterSeconds: RETRY_SECONDS })
  }

  function add(user: string, more: number): void {
    const sum = (ofUsers.get(user) ?? 0) + more
    if (sum === 0) ofUsers.delete(user)
    else ofUsers.set(user, sum)
    total += more
  }

  return {
    memoryFor(user: string) {
      let held = 0
      const hold = (bytes: number): void => {
        const more = bytes - held
        if (more > 0) check(user, more)
        held = bytes
        add(user, more)
      }
      return {
        /**
         * @param bytes - all that is held from now on, not only what is new
         * @throws `overloaded`
         */
        hold,
        /**
         * Works on what is held: parses it, or looks at all of it. A user's works wait for each other, and
         * each for nine times as long as the one before has taken.
         */
        work: <T>(run: () => T | Promise<T>): Promise<T> => turns(user, held, run),
        release: () => hold(0),
      }
    },
  }
}

/** Lets the works of one user take turns, with rests between them. */
function createTurns() {
  /** By user: settles when the rest after the last work in the queue is over. */
  const queues = new Map<string, Promise<void>>()

  return async <T>(user: string, bytes: number, run: () => T | Promise<T>): Promise<T> => {
    if (bytes <= FREE_BYTES) return run()
    const before = queues.get(user)
    const { promise, resolve } = Promise.withResolvers<void>()
    queues.set(user, promise)
    await before
    const began = performance.now()
    const restOver = () => {
      resolve()
      if (queues.get(user) === promise) queues.delete(user)
    }
    try {
      return await run()
    } finally {
      setTimeout(restOver, REST_PER_WORK * (performance.now() - began)).unref()
    }
  }
}
