import { readFileSync } from 'node:fs'
import { beforeAll, describe, expect, test } from 'vitest'
import { createMetrics } from '../../src/http/telemetry/metrics.ts'

interface Panel {
  readonly id: number
  readonly title: string
  readonly gridPos: {
    readonly x: number
    readonly y: number
    readonly w: number
    readonly h: number
  }
  readonly targets: readonly { readonly expr: string }[]
}

const dashboard: { readonly panels: readonly Panel[] } = JSON.parse(
  readFileSync(new URL('../../config/grafana-dashboard.json', import.meta.url), 'utf8'),
)

/** Names of Prometheus functions and of ours look alike; metrics are followed by a selector. */
const METRIC = /([a-z_][a-z0-9_]*)\{([^}]*)\}/g

let exposed: string

beforeAll(async () => {
  const metrics = createMetrics({
    now: () => 0,
    figures: async () => ({ activeSessions: 1, outboxLength: 0 }),
    keyAges: () => new Map([['https://login.test/', 5]]),
    breakers: () => [{ key: 'OPENAI_API_KEY', breaker: 'mint', open: false }],
    mintsUnderWay: () => 2,
  })
  const upstream = {
    operation: 'create_session',
    status: 200,
    requestId: undefined,
    milliseconds: 3,
    attempts: 1,
  } as const
  metrics.seen({
    method: 'POST',
    route: '/v1/sessions',
    status: 200,
    code: undefined,
    milliseconds: 5,
    requestId: 'req_1',
    traceparent: undefined,
    trace: { upstream },
  })
  exposed = await (await metrics.app.request('/metrics')).text()
})

const asked = dashboard.panels.flatMap(({ title, targets }) =>
  targets.flatMap(({ expr }) =>
    Array.from(expr.matchAll(METRIC), ([, name = '', selector = '']) => ({
      title,
      name,
      selector,
    })),
  ),
)

describe('the Grafana dashboard', () => {
  test.each(asked)('$title: $name is a metric with the labels asked for', ({ name, selector }) => {
    const line = exposed.split('\n').find((one) => one.startsWith(name) && !one.startsWith('#'))
    expect(line).toMatch(new RegExp(`^${name}[{ ]`))
    // Prometheus itself adds job and instance.
    const labels = Array.from(selector.matchAll(/(\w+)=/g), ([, label = '']) => label).filter(
      (label) => label !== 'job' && label !== 'instance',
    )
    for (const label of labels) expect(line).toContain(`${label}=`)
  })

  test('every panel asks for something, and none lies upon another', () => {
    expect(dashboard.panels.length).toBeGreaterThan(8)
    for (const panel of dashboard.panels) expect(panel.targets.length).toBeGreaterThan(0)
    const cells = dashboard.panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, cell) => `${x + (cell % w)},${y + Math.floor(cell / w)}`),
    )
    expect(new Set(cells).size).toBe(cells.length)
  })
})
