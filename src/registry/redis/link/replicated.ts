// Writes on a separate connection, and answers when enough replicas have the write.

import type { RedisConnection } from './client.ts'
import { createPatience } from './patience.ts'

/** Milliseconds to wait for replicas. A replica that follows answers within a round trip. */
const WAIT_MS = 300
/** Milliseconds between two looks whether writes succeed again. */
const LOOK_MS = 1_000

interface Waiting {
  readonly command: readonly string[]
  readonly resolve: (reply: unknown) => void
  readonly reject: (error: unknown) => void
}

/**
 * `WAIT` blocks its connection, and counts only writes that were made on that connection. So writes that
 * come during a `WAIT` are sent together after it, followed by one `WAIT` for all of them. No write waits
 * for more than two of these.
 *
 * @param connect - opens a connection to the primary, when the first write comes
 * @param touch - a command that always writes. A repeated step may find its write done, on an earlier
 * connection, and write nothing; a replica that has this write also has all writes before it
 * @param replicas - how many must have a write
 */
export function createReplicated({
  connect,
  touch,
  replicas,
  callMs,
}: {
  readonly connect: () => Promise<RedisConnection>
  readonly touch: readonly string[]
  readonly replicas: number
  readonly callMs: number
}) {
  const patience = createPatience(callMs + WAIT_MS)
  let connection: RedisConnection | undefined
  const waiting: Waiting[] = []
  let sending = false
  /** When a write last failed; undefined once one has succeeded again. */
  let failedAt: number | undefined
  let closed = false

  /** A connection is one socket, so `WAIT` reaches the server that has the writes, or fails. */
  async function opened(): Promise<RedisConnection> {
    if (connection?.isReady()) return connection
    connection = await connect()
    if (closed) connection.destroy()
    return connection
  }

  async function sendTogether(together: readonly Waiting[]): Promise<void> {
    try {
      const { send } = await opened()
      const replies = together.map(({ command }) => send(command))
      const touched = send(touch)
      const wait = () => send(['WAIT', String(replicas), String(WAIT_MS)])
      // Its caller handles an error reply later; until then it must not count as unhandled.
      for (const reply of replies) reply.catch(() => undefined)
      const [count] = await Promise.all([patience.within(wait), touched])
      failedAt = Number(count) < replicas ? performance.now() : undefined
      for (const [at, { resolve, reject }] of together.entries()) {
        if (failedAt === undefined) resolve(replies[at])
        else reject(new Error(`${count} of ${replicas} replicas have it within ${WAIT_MS} ms`))
      }
    } catch (error) {
      connection?.destroy()
      failedAt = performance.now()
      for (const { reject } of together) reject(error)
    }
  }

  async function sendAll(): Promise<void> {
    if (sending) return
    sending = true
    while (waiting.length > 0) await sendTogether(waiting.splice(0))
    sending = false
  }

  /** Resolves to the reply once enough replicas have all that was written. */
  const send = (command: readonly string[]) =>
    new Promise<unknown>((resolve, reject) => {
      waiting.push({ command, resolve, reject })
      void sendAll()
    })

  return {
    send,
    /** Whether writes succeed. If one failed, another finds out when they do again. */
    works(): boolean {
      const isDue = failedAt !== undefined && performance.now() - failedAt > LOOK_MS
      if (isDue && !sending) send(touch).catch(() => undefined)
      return failedAt === undefined
    },
    /** The next write goes to where the address leads by then: an idle connection does not notice a failover. */
    renew(): void {
      if (!sending) connection?.destroy()
    },
    close(): void {
      closed = true
      connection?.destroy()
    },
  }
}
