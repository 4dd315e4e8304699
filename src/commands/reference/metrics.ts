// Makes the page about metrics, from a scrape of those that the service and Node register.

import { DEFINITIONS, LABELS, TELLS } from '../../http/telemetry/definitions.ts'
import { createMetrics } from '../../http/telemetry/metrics.ts'
import { codeRows, table } from './table.ts'

/** @returns the page, as Markdown */
export async function metricsPage(): Promise<string> {
  const registered = await registeredMetrics()
  const ours = new Map(registered.map((metric) => [metric.name, metric]))
  const rows = Object.entries(DEFINITIONS).map(([key, { name, help, labelNames = [] }]) => [
    `\`${name}\``,
    ours.get(name)?.type ?? '',
    labelNames.map((label) => `\`${label}\``).join(', ') || '–',
    `${help} ${TELLS[key as keyof typeof DEFINITIONS]}`,
  ])
  const others = registered.filter(({ name }) => !name.startsWith('chatkit_mint_'))
  return `# Metrics

For those who watch the service. \`GET /metrics\` on \`METRICS_HOST\`:\`METRICS_PORT\` (127.0.0.1:9091 unless the [environment](environment.md) says otherwise) gives the metrics
of one instance in the text format of Prometheus. The listener is apart from the public one: keep it from the public. Times are in
seconds. A histogram \`x\` appears as \`x_bucket\`, \`x_sum\` and \`x_count\`.

\`config/prometheus-alerts.yaml\` has alerts and \`config/grafana-dashboard.json\` a dashboard over these.

## The service

${table(['metric', 'type', 'labels', 'what it tells'], rows)}

## Labels

No label holds a user, and none can grow without bound.

${table(['label', 'value'], codeRows(Object.entries(LABELS)))}

## Process and Node

As the library prom-client makes them, on Linux, from the first scrape on.

${table(
  ['metric', 'type', 'what it tells'],
  others.map(({ name, type, help }) => [`\`${name}\``, type, help]),
)}
`
}

/** The name, type and help of all metrics of a process. */
async function registeredMetrics() {
  const { app } = createMetrics({
    figures: async () => ({ activeSessions: 0, outboxLength: 0 }),
    keyAges: () => new Map(),
    breakers: () => [],
    mintsUnderWay: () => 0,
  })
  const text = await (await app.request('/metrics')).text()
  const heads = text.matchAll(/^# HELP (\S+) (.*)\n# TYPE \1 (\w+)$/gm)
  return Array.from(heads, ([, name = '', help = '', type = '']) => ({ name, help, type }))
}
