// Keeps the connection that all calls share: opens it, notices when Redis hangs, and opens another one.
import type { RedisConnection } from './client.ts'
import type { Diagnosis } from './diagnosis.ts'
import { NoAnswerError } from './patience.ts'

const WATCH_MS = 100
/** Between two attempts to connect, drawn at random from half of it to one and a half. */
const RECONNECT_MS = 300
/** A connection that has not answered for this long is given up, and a new one lives as long. */
const GIVE_UP_MS = 1_000

/**
 * A server that hangs leaves its socket open, and every request would wait for it: after one call that was
 * not answered in time all others are refused at once, until a check is answered.
 *
 * @param connect - opens a connection, or says why not
 * @param check - runs a script that writes
 */
export function createKeeper({
  connect,
  check,
  diagnosis,
}: {
  readonly connect: () => Promise<RedisConnection>
  readonly check: (connection: RedisConnection) => Promise<unknown>
  readonly diagnosis: Diagnosis
}) {
  let connection: RedisConnection | undefined
  let openedAt = 0
  let nextOpening = 0
  let suspectSince: number | undefined
  let watching = false
  let closed = false

  function drop(): void {
    connection?.destroy()
    connection = undefined
    suspectSince = undefined
  }

  /** A call failed. */
  function failed(error: unknown): void {
    if (closed) return
    diagnosis.saw(error)
    if (error instanceof NoAnswerError) suspectSince ??= performance.now()
    else if (leadsElsewhere(error) && performance.now() - openedAt > GIVE_UP_MS) drop()
  }

  async function open(): Promise<void> {
    if (performance.now() < nextOpening) return
    nextOpening = performance.now() + RECONNECT_MS * (0.5 + Math.random())
    let opened: RedisConnection
    try {
      opened = await connect()
    } catch (error) {
      return failed(error)
    }
    if (closed) return opened.destroy()
    drop()
    connection = opened
    openedAt = performance.now()
    void diagnosis.inspect(opened)
    await ask(opened)
  }

  async function ask(asked: RedisConnection): Promise<void> {
    try {
      await check(asked)
      suspectSince = undefined
      if (diagnosis.works()) void diagnosis.inspect(asked)
    } catch (error) {
      failed(error)
      if (!(error instanceof NoAnswerError)) suspectSince = undefined
      else if (performance.now() - (suspectSince ?? 0) > GIVE_UP_MS) drop()
    }
  }

  async function watch(): Promise<void> {
    if (watching || closed) return
    watching = true
    if (!connection?.isReady()) await open()
    else if (suspectSince !== undefined || diagnosis.isTroubled()) await ask(connection)
    watching = false
  }

  const timer = setInterval(() => void watch(), WATCH_MS).unref()
  void watch()
  return {
    /** Undefined while there is none that answers. */
    current: () => (suspectSince === undefined && connection?.isReady() ? connection : undefined),
    failed,
    close(): void {
      closed = true
      clearInterval(timer)
      drop()
    },
  }
}

/** A primary that became a replica, or lost our slot: the address may lead to the new primary by now. */
function leadsElsewhere(error: unknown): boolean {
  return error instanceof Error && /^(?:READONLY|MASTERDOWN|MOVED|CLUSTERDOWN)/.test(error.message)
}
