// Counts and logs when an upstream shows one user something of another's, or cannot show a thread. Somebody has
// to look into such a fault.
import type { Log } from '../../lib/log.ts'
import type { Foreign } from '../../threads/source-reader.ts'
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
    const text = missing ? 'cannot show a thread' : 'shows what is of someone else: dropped'
    log.warn({ workflow, what, count }, `the upstream ${text}`)
  }
}
