// Bounds the memory that one user, and all users of this instance together, hold at a time, and the open
// streams and followed links of one user.
import { ServiceError } from '../lib/errors.ts'

/** Seconds after which a refused request may be tried again: memory is held only for moments. */
const RETRY_SECONDS = 2

/** Most links to files that a user may follow at a time. */
const LINKS_PER_USER = 20

/** {@link createShares} */
export type Shares = ReturnType<typeof createShares>

/** {@link Shares.memoryFor} */
export type HeldMemory = ReturnType<Shares['memoryFor']>

/**
 * @param memoryBytes - bound on all bodies, events and answers that are being read, together
 * @param streamsPerUser - most requests of a user, at a time, whose answers may be streams
 */
export function createShares({
  memoryBytes,
  userMemoryBytes,
  streamsPerUser,
}: {
  readonly memoryBytes: number
  readonly userMemoryBytes: number
  readonly streamsPerUser: number
}) {
  const memory = new Map<string, number>()
  let total = 0

  function add(to: Map<string, number>, user: string, more: number): void {
    const sum = (to.get(user) ?? 0) + more
    if (sum === 0) to.delete(user)
    else to.set(user, sum)
  }

  function refuse(reason: string): never {
    throw new ServiceError('overloaded', { reason, retryAfterSeconds: RETRY_SECONDS })
  }

  /** Makes the function that takes a slot of a user, and returns the function that frees it. */
  function slots(most: number, what: string) {
    const taken = new Map<string, number>()
    return (user: string): (() => void) => {
      if ((taken.get(user) ?? 0) >= most) {
        throw new ServiceError('rate_limited', {
          reason: `more than ${most} ${what} of a user at a time`,
          detail: `Too many ${what} at a time. Wait until one has ended.`,
          retryAfterSeconds: RETRY_SECONDS,
        })
      }
      add(taken, user, 1)
      let open = true
      return () => {
        if (open) add(taken, user, -1)
        open = false
      }
    }
  }

  return {
    /** Counts the memory of one body, event or answer that is read in pieces. */
    memoryFor(user: string) {
      let held = 0
      const hold = (bytes: number): void => {
        const more = bytes - held
        if (more > 0 && total + more > memoryBytes) refuse('gateway.memory_mb is used up')
        if (more > 0 && (memory.get(user) ?? 0) + more > userMemoryBytes) {
          refuse('this user holds a quarter of gateway.memory_mb')
        }
        held = bytes
        total += more
        add(memory, user, more)
      }
      return {
        /**
         * @param bytes - all that is held from now on, not only what is new
         * @throws `overloaded`
         */
        hold,
        release: () => hold(0),
      }
    },
    /** Takes a slot for an answer that may be a stream. Throws `rate_limited`. */
    openStream: slots(streamsPerUser, 'running answers'),
    /** Takes a slot for a link to a file. Throws `rate_limited`. */
    followLink: slots(LINKS_PER_USER, 'files'),
  }
}
