// Reads this process's counts of mints and of calls of the ChatKit API from its metrics.

import type { Counter, Histogram } from 'prom-client'
import type { Counted } from '../../registry/interval-figures.ts'

/** Users and backends mint. */
const MINT_ROUTES: readonly unknown[] = ['/v1/sessions', '/v1/chatkit/sessions']

/** The counts since the start of the process. */
export async function readCounted(
  requests: Pick<Counter, 'get'>,
  upstream: Pick<Histogram, 'get'>,
): Promise<Omit<Counted, 'activeSessions'>> {
  const refusals: Record<string, number> = {}
  let mints = 0
  for (const { labels, value } of (await requests.get()).values) {
    if (labels['method'] !== 'POST' || !MINT_ROUTES.includes(labels['route'])) continue
    const code = String(labels['code'])
    if (code === 'ok') mints += value
    else refusals[code] = (refusals[code] ?? 0) + value
  }
  return { mints, refusals, upstream: await readUpstream(upstream) }
}

/** Turns the metric's cumulative buckets into counts for each bucket. */
async function readUpstream(upstream: Pick<Histogram, 'get'>): Promise<Counted['upstream']> {
  const buckets = new Map<number, number>()
  for (const { labels, value } of (await upstream.get()).values) {
    const bound = labels['le']
    if (bound === undefined) continue
    const le = bound === '+Inf' ? Number.POSITIVE_INFINITY : Number(bound)
    buckets.set(le, (buckets.get(le) ?? 0) + value)
  }
  const sorted = [...buckets].sort(([one], [other]) => one - other)
  return sorted.map(([le, count], at) => ({ le, count: count - (sorted[at - 1]?.[1] ?? 0) }))
}
