// Limits one user's share of the gateway at a time: memory, open streams, and links to files.

import type { MemoryBudget } from '../lib/shares/memory-budget.ts'
import { createSlots } from '../lib/shares/slots.ts'

/**
 * Most requests of a user at the same time whose answers are no streams, because each holds a connection. One session
 * may not send as many in a minute, unless the config says otherwise.
 */
const REQUESTS_PER_USER = 200
/** Most links to files that a user may follow at the same time. */
const LINKS_PER_USER = 20

export type Shares = ReturnType<typeof createShares>

/** @param streamsPerUser - most simultaneous requests of a user whose answers may be streams */
export function createShares({
  memory,
  streamsPerUser,
}: {
  readonly memory: MemoryBudget
  readonly streamsPerUser: number
}) {
  return {
    /** Counts the memory of one body, event or answer while it is read. */
    memoryFor: memory.memoryFor,
    /** Checks a part of a stream, and limits the share of CPU time that one user's streams get. */
    checkPart: memory.checkPart,
    /** Takes a slot for an answer that may be a stream. */
    openStream: createSlots({ each: streamsPerUser, what: 'running answers' }),
    /** Takes a slot for a request whose answer is no stream. */
    openRequest: createSlots({ each: REQUESTS_PER_USER, what: 'requests' }),
    /** Takes a slot for a link to a file. */
    followLink: createSlots({ each: LINKS_PER_USER, what: 'files' }),
  }
}
