// Reads this process's counts of mints and of calls of the ChatKit API from its metrics.

import type { Registry } from 'prom-client'
import type { Counted } from '../../registry/interval-figures.ts'

/** Users and backends mint. */
const MINT_ROUTES: readonly unknown[] = ['/v1/sessions', '/v1/chatkit/sessions']

/**
 * The counts since the start of the process.
 *
 * @param registry - with the requests' counter and the upstream's histogram
 */
export async function readCounted(registry: Registry): Promise<Omit<Counted, 'activeSessions'>> {
  const requests = await registry.getSingleMetric('chatkit_mint_requests_total')?.get()
  const refusals: Record<string, number> = {}
  let mints = 0
  for (const { labels, value } of requests?.values ?? []) {
    if (labels['method'] !== 'POST' || !MINT_ROUTES.includes(labels['route'])) continue
    const code = String(labels['code'])
    if (code === 'ok') mints += value
    else refusals[code] = (refusals[code] ?? 0) + value
  }
  return { mints, refusals, upstream: await readUpstream(registry) }
}

/** Turns the metric's cumulative buckets into counts for each bucket. */
async function readUpstream(registry: Registry): Promise<Counted['upstream']> {
  const upstream = await registry.getSingleMetric('chatkit_mint_upstream_seconds')?.get()
  const buckets = new Map<number, number>()
  for (const { labels, value } of upstream?.values ?? []) {
    const bound = labels['le']
    if (bound === undefined) continue
    const le = bound === '+Inf' ? Number.POSITIVE_INFINITY : Number(bound)
    buckets.set(le, (buckets.get(le) ?? 0) + value)
  }
  const sorted = [...buckets].sort(([one], [other]) => one - other)
  return sorted.map(([le, count], at) => ({ le, count: count - (sorted[at - 1]?.[1] ?? 0) }))
}
