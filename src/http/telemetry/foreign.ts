// Counts and logs entries of another user or thread in an upstream's list, and threads that it cannot show. Each is a
// fault of the upstream that an operator has to look into.

import type { Log } from '../../lib/log.ts'
import type { Foreign } from '../../threads/sources.ts'
import type { Metrics } from './metrics.ts'

export function tellOfForeign({
  metrics,
  log,
}: {
  readonly metrics: Pick<Metrics, 'foreignSeen'>
  readonly log: Log
}) {
  return ({ source: { name: workflow, threadsAt }, what, count }: Foreign): void => {
    metrics.foreignSeen({ source: threadsAt === undefined ? 'hosted' : 'self_hosted', what, count })
    const missing = what === 'missing'
    const text = missing
      ? 'cannot show a thread'
      : 'showed something of another user or thread, which was dropped'
    log.warn({ workflow, what, count }, `the upstream ${text}`)
  }
}
