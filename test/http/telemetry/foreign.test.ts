import { expect, test } from 'vitest'
import { tellOfForeign } from '../../../src/http/telemetry/foreign.ts'
import { createMetrics } from '../../../src/http/telemetry/metrics.ts'
import { workflowName } from '../../support/ids.ts'
import { recordingLog } from '../../support/issuer-settings.ts'

const DROPPED = 'the upstream showed something of another user or thread, which was dropped'

test.each([
  ['thread', undefined, 'foreign_threads_total{source="hosted",what="thread"}', DROPPED],
  ['item', 'help', 'foreign_threads_total{source="self_hosted",what="item"}', DROPPED],
  ['missing', 'help', 'missing_threads_total', 'the upstream cannot show a thread'],
] as const)(
  'an operator learns of each %s, at a server %s, from a metric and a warning',
  async (what, threadsAt, metric, msg) => {
    const { log, lines } = recordingLog()
    const metrics = createMetrics({
      figures: async () => ({ activeSessions: 0, outboxLength: 0 }),
      keyAges: () => new Map(),
      breakers: () => [],
      mintsUnderWay: () => 0,
    })
    const source = { name: workflowName('support'), threadsAt }
    tellOfForeign({ metrics, log })({ source, what, count: 2 })
    expect(lines).toMatchObject([{ level: 40, workflow: 'support', what, count: 2, msg }])
    const text = await (await metrics.app.request('/metrics')).text()
    expect(text).toContain(`chatkit_mint_${metric} 2\n`)
  },
)
