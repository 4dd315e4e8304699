import { readFileSync } from 'node:fs'
import { beforeAll, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { ROUTES } from '../../src/http/route-table.ts'
import { createMetrics } from '../../src/http/telemetry/metrics.ts'
import { CODES } from '../../src/respond/codes.ts'

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

interface Rule {
  readonly alert: string
  readonly expr: string
  readonly for?: string
  readonly labels: { readonly severity: string }
  readonly annotations: { readonly summary: string; readonly description: string }
}

const read = (file: string) =>
  readFileSync(new URL(`../../config/${file}`, import.meta.url), 'utf8')
const dashboard: { readonly panels: readonly Panel[] } = JSON.parse(read('grafana-dashboard.json'))
const alerts: { readonly groups: readonly { readonly rules: readonly Rule[] }[] } = parse(
  read('prometheus-alerts.yaml'),
)
const rules = alerts.groups.flatMap((group) => group.rules)

/** A metric is recognised by the selector behind it, because names of functions look like names of metrics. */
const METRIC = /([a-z_][a-z0-9_]*)\{([^}]*)\}/g

let exposed: string

beforeAll(async () => {
  const metrics = createMetrics({
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
    facts: { upstream },
  })
  metrics.foreignSeen({ source: 'self_hosted', what: 'thread', count: 1 })
  exposed = await (await metrics.app.request('/metrics')).text()
})

/** Every metric that an expression asks for. */
function asked(title: string, expr: string) {
  return Array.from(expr.matchAll(METRIC), ([, name = '', selector = '']) => ({
    title,
    name,
    selector,
  }))
}

function expectMetric({ name, selector }: { name: string; selector: string }): void {
  const line = exposed.split('\n').find((one) => one.startsWith(name) && !one.startsWith('#'))
  expect(line).toMatch(new RegExp(`^${name}[{ ]`))
  // Prometheus itself adds job and instance.
  const labels = Array.from(selector.matchAll(/(\w+)=/g), ([, label = '']) => label).filter(
    (label) => label !== 'job' && label !== 'instance',
  )
  for (const label of labels) expect(line).toContain(`${label}=`)
}

/** Routes that an expression names, with or without a regular expression. */
function routesIn(expr: string): string[] {
  return Array.from(expr.matchAll(/\broute[=!]~?"([^"]+)"/g), ([, one = '']) =>
    one.split('|'),
  ).flat()
}

test('alerts and dashboard name only routes that exist', () => {
  const paths = Object.values(ROUTES).map(({ path }) => path.replaceAll(/\{(\w+)\}/g, ':$1'))
  const exprs = [...rules, ...dashboard.panels.flatMap(({ targets }) => targets)]
  const named = exprs.flatMap(({ expr }) => routesIn(expr))
  expect(named.length).toBeGreaterThan(10)
  expect(named.filter((one) => !paths.includes(one))).toEqual([])
})

describe('the Grafana dashboard', () => {
  test.each(
    dashboard.panels.flatMap(({ title, targets }) =>
      targets.flatMap(({ expr }) => asked(title, expr)),
    ),
  )('$title: $name is a metric with the labels asked for', expectMetric)

  test('every panel has a query, and no two panels overlap', () => {
    expect(dashboard.panels.length).toBeGreaterThan(8)
    for (const panel of dashboard.panels) expect(panel.targets.length).toBeGreaterThan(0)
    const cells = dashboard.panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, cell) => `${x + (cell % w)},${y + Math.floor(cell / w)}`),
    )
    expect(new Set(cells).size).toBe(cells.length)
  })
})

describe('the alerting rules', () => {
  // Prometheus itself makes `up`.
  const metrics = rules
    .flatMap(({ alert, expr }) => asked(alert, expr))
    .filter(({ name }) => name !== 'up')

  test.each(metrics)('$title: $name is a metric with the labels asked for', expectMetric)

  test.each(metrics)('$title: $name is selected from the one scrape job', ({ selector }) => {
    expect(selector).toMatch(/^job="chatkit-mint"(?:,|$)/)
  })

  test.each(rules)('$alert names only codes that exist', ({ expr }) => {
    const codes = Array.from(expr.matchAll(/\bcode=~?"([a-z_|]+)"/g), ([, one = '']) =>
      one.split('|'),
    ).flat()
    expect(codes.filter((code) => !(code in CODES))).toEqual([])
  })

  test.each(['/v1/sessions', '/v1/chatkit/sessions', '/chatkit/:workflow'])(
    'somebody is woken when most calls of %s fail',
    (route) => {
      const woken = rules.filter(
        ({ expr, labels }) =>
          labels.severity === 'page' &&
          expr.includes('status=~"5.."') &&
          routesIn(expr).includes(route),
      )
      expect(woken).toHaveLength(1)
    },
  )

  test('no metric of ours is in an expression without a selector, where the tests would miss it', () => {
    const bare = rules.filter(({ expr }) =>
      /\b(?:chatkit_mint|nodejs|process)_\w+(?![\w{])/.test(expr),
    )
    expect(bare).toEqual([])
  })

  test('each has a name of its own, a severity, and a sentence that says what to look at', () => {
    expect(rules.length).toBeGreaterThan(10)
    expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length)
    for (const rule of rules) {
      expect(rule.labels.severity).toMatch(/^(?:page|ticket)$/)
      expect(rule.for ?? '1m').toMatch(/^\d+m$/)
      expect(rule.annotations.summary).not.toMatch(/\.$/)
      expect(rule.annotations.description).toMatch(/^[A-Za-z_].+\.$/)
    }
  })
})
