// Hashes users for the log. The registry keeps the key, so that a user has the same hash in every line, on
// every instance and after a restart.

import { createHmac, randomBytes } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import type { Log } from '../../lib/log.ts'
import type { Registry } from '../../registry/port.ts'

/** Milliseconds that the start waits for the store. After that, the key is requested in the background. */
const START_WAITS_MS = 1_000
const AGAIN_MS = 50

/**
 * Hashes a user for the log: 16 hex digits, the same in all lines of one installation. Nobody without the key can find
 * out who it is. Undefined while the store has not answered since the start, because a temporary key would give hashes
 * that match no other line.
 */
export type HashUser = (user: string) => string | undefined

/**
 * Resolves when the store has given the key, or after {@link START_WAITS_MS} without it, because the service starts
 * even while the store is down.
 *
 * @param ended - aborted when the service stops
 */
export async function startUserHash({
  registry,
  log,
  ended,
}: {
  readonly registry: Pick<Registry, 'keptKey'>
  readonly log: Log
  readonly ended: AbortSignal
}): Promise<HashUser> {
  let key: Uint8Array | undefined
  async function ask(): Promise<boolean> {
    try {
      key = await registry.keptKey('log-users', () => randomBytes(32))
      return true
    } catch {
      return false
    }
  }
  async function askUntilAnswered(): Promise<void> {
    while (!ended.aborted && !(await ask())) await setTimeout(AGAIN_MS, undefined, { ref: false })
  }
  const until = performance.now() + START_WAITS_MS
  while (!(await ask())) {
    if (performance.now() > until) {
      log.warn('the store does not answer: log lines name no users until it does')
      void askUntilAnswered()
      break
    }
    await setTimeout(AGAIN_MS)
  }
  return (user) => key && createHmac('sha256', key).update(user).digest().toString('hex', 0, 8)
}
