// Writes on a connection of its own, and answers when replicas have what was written.
import type { Log } from '../../lib/log.ts'
import type { RedisConnection } from './client.ts'
import { within } from './patience.ts'

/** Replicas that follow answer within a round trip; later ones count as absent. */
const WAIT_MS = 300

interface Waiting {
  readonly command: readonly string[]
  readonly resolve: (reply: unknown) => void
  readonly reject: (error: unknown) => void
}

/**
 * `WAIT` holds up its connection, and counts only for writes that were made on that connection. So what is
 * asked for meanwhile goes together behind it, before a `WAIT` that counts for all of it: nobody waits for
 * more than two.
 *
 * @param connect - opens a connection to the primary, when the first write comes
 * @param touch - a command that writes each time. What a repeated step finds done may have been written on
 * another connection; replicas that have this write have all before it
 * @param replicas - how many must have a write
 * @param callMs - how long the primary may take
 */
export function createReplicated({
  connect,
  touch,
  replicas,
  callMs,
  log,
}: {
  readonly connect: () => Promise<RedisConnection>
  readonly touch: readonly string[]
  readonly replicas: number
  readonly callMs: number
  readonly log: Log
}) {
  let connection: RedisConnection | undefined
  const waiting: Waiting[] = []
  let sending = false
  let short = false
  let closed = false

  /** A connection is one socket, so that `WAIT` cannot ask another server than the one that has the writes. */
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
      // A reply that is an error is its caller's, and must not count as unhandled before.
      for (const reply of replies) reply.catch(() => undefined)
      const [count] = await Promise.all([within(callMs + WAIT_MS, wait), touched])
      const enough = isEnough(Number(count))
      for (const [at, { resolve, reject }] of together.entries()) {
        if (enough) resolve(replies[at])
        else reject(new Error(`${count} of ${replicas} replicas have it within ${WAIT_MS} ms`))
      }
    } catch (error) {
      connection?.destroy()
      for (const { reject } of together) reject(error)
    }
  }

  function isEnough(count: number): boolean {
    const wasShort = short
    short = count < replicas
    if (short && !wasShort) {
      const text =
        'redis: too few replicas have a revoke in time; revokes are refused until they do'
      log.warn({ replicas: count, wanted: replicas }, text)
    }
    if (!short && wasShort)
      log.info({ replicas: count }, 'redis: replicas have revokes in time again')
    return !short
  }

  async function sendAll(): Promise<void> {
    if (sending) return
    sending = true
    while (waiting.length > 0) await sendTogether(waiting.splice(0))
    sending = false
  }

  return {
    /** Resolves to the reply once enough replicas have all that was written. */
    send: (command: readonly string[]) =>
      new Promise<unknown>((resolve, reject) => {
        waiting.push({ command, resolve, reject })
        void sendAll()
      }),
    close(): void {
      closed = true
      connection?.destroy()
    },
  }
}
