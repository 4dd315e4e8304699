// Keeps the connection that all calls share: opens it, notices when Redis hangs, and replaces it.

import type { RedisConnection } from './client.ts'
import type { Diagnosis } from './diagnosis.ts'
import { NoAnswerError } from './patience.ts'

const WATCH_MS = 100
/** Milliseconds between two attempts to connect; each time a random factor from 0.5 to 1.5 applies. */
const RECONNECT_MS = 300
/**
 * Milliseconds after which a connection that does not answer is replaced. A connection to a server that is
 * no longer the primary is replaced too, but not before it is this old.
 */
const GIVE_UP_MS = 1_000

/**
 * A server that hangs leaves its socket open, and every call would wait for its own deadline. So after one
 * call without an answer, all others are refused at once until a check is answered.
 *
 * @param check - runs a script that writes
 * @param revokesWork - whether revokes work, which may fail alone
 */
export function createKeeper({
  connect,
  check,
  revokesWork,
  diagnosis,
}: {
  readonly connect: () => Promise<RedisConnection>
  readonly check: (connection: RedisConnection) => Promise<unknown>
  readonly revokesWork: () => boolean
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

  /** Must be called for each call that failed. */
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
      if (revokesWork() && diagnosis.works()) void diagnosis.inspect(asked)
    } catch (error) {
      failed(error)
      if (!(error instanceof NoAnswerError)) suspectSince = undefined
      else if (performance.now() - (suspectSince ?? 0) > GIVE_UP_MS) drop()
    }
  }

  async function watch(): Promise<void> {
    if (watching) return
    watching = true
    if (!connection?.isReady()) await open()
    else if (suspectSince !== undefined || diagnosis.isTroubled()) await ask(connection)
    watching = false
  }

  const timer = setInterval(() => void watch(), WATCH_MS).unref()
  void watch()
  return {
    /** The connection; undefined while none answers. */
    current: () => (suspectSince === undefined && connection?.isReady() ? connection : undefined),
    failed,
    close(): void {
      closed = true
      clearInterval(timer)
      drop()
    },
  }
}

/** The server became a replica or lost our slot: a new connection may lead to the new primary. */
function leadsElsewhere(error: unknown): boolean {
  return error instanceof Error && /^(?:READONLY|MASTERDOWN|MOVED|CLUSTERDOWN)/.test(error.message)
}
