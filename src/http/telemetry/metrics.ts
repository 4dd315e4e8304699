// Registers the Prometheus metrics of this process, counts, and answers `GET /metrics`.

import { Hono } from 'hono'
import Counter from 'prom-client/lib/counter.js'
import Gauge from 'prom-client/lib/gauge.js'
import Histogram from 'prom-client/lib/histogram.js'
import Registry from 'prom-client/lib/registry.js'
import { ServiceError } from '../../lib/errors.ts'
import { newId } from '../../lib/ids.ts'
import { VERSION } from '../../lib/version.ts'
import type { Counted } from '../../registry/interval-figures.ts'
import { problemAnswer } from '../../respond/problem.ts'
import { EVERY_ANSWER } from '../answer.ts'
import type { AnswerSeen } from '../request-frame.ts'
import { readCounted } from './counted.ts'
import { DEFINITIONS } from './definitions.ts'
import type { UpstreamLane } from './figures.ts'

/** Values that are read at each scrape. */
export interface MetricSources {
  /** Live sessions and waiting cancels. */
  readonly figures: () => Promise<{ activeSessions: number; outboxLength: number }>
  /** Seconds since each issuer's keys were fetched; undefined when there are none. */
  readonly keyAges: () => ReadonlyMap<string, number | undefined>
  /** By API key variable and lane: `mint`, `threads`, `cancel`. */
  readonly breakers: () => readonly UpstreamLane[]
  /** Mints that have begun and have no answer yet. */
  readonly mintsUnderWay: () => number
}

/** Entries of a list that belong to another user or thread, or that could not be shown. */
interface ForeignSeen {
  readonly source: 'hosted' | 'self_hosted'
  readonly what: 'thread' | 'item' | 'missing'
  readonly count: number
}

export type Metrics = ReturnType<typeof createMetrics>

/** Labels of a mint that was refused below the app. */
const REFUSED_MINT = { method: 'POST', route: '/v1/sessions', status: 503, code: 'overloaded' }

const REQUEST_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2, 4, 8]

/**
 * Counts what this process does. No label holds a user, and none can grow without bound.
 *
 * @param sources - read at each scrape; a source that fails leaves its metric out
 */
export function createMetrics(sources: MetricSources) {
  const registry = new Registry()
  const here = { registers: [registry] }
  const requests = new Counter({ ...DEFINITIONS.requests, ...here })
  const latency = new Histogram({ ...DEFINITIONS.latency, ...here, buckets: REQUEST_BUCKETS })
  const upstream = new Histogram({ ...DEFINITIONS.upstream, ...here, buckets: REQUEST_BUCKETS })
  const foreign = new Counter({ ...DEFINITIONS.foreign, ...here })
  const missing = new Counter({ ...DEFINITIONS.missing, ...here })
  const turnedAway = new Counter({ ...DEFINITIONS.turnedAway, ...here })
  const figures = rememberFigures(sources.figures)
  addGauges(registry, { ...sources, figures })
  new Gauge({ ...DEFINITIONS.buildInfo, ...here }).set({ version: VERSION }, 1)
  const app = new Hono()
  let ofProcess: Promise<void> | undefined
  app.get('/metrics', async (c) => {
    ofProcess ??= addProcessMetrics(registry)
    await ofProcess
    const type = { 'Content-Type': registry.contentType }
    return c.body(await registry.metrics(), 200, {
      'X-Request-Id': newId('req_'),
      ...EVERY_ANSWER,
      ...type,
    })
  })
  app.all('/metrics', () => refuse('method_not_allowed', { Allow: 'GET, HEAD' }))
  app.notFound(() => refuse('not_found'))
  return {
    seen({ method, route, status, code = 'ok', milliseconds, facts }: AnswerSeen): void {
      const label = SERVED_METHODS.has(method) ? method : 'other'
      requests.inc({ method: label, route, status, code })
      latency.observe({ route }, milliseconds / 1000)
      const call = facts.upstream
      if (call === undefined) return
      const labels = { operation: call.operation, status: call.status ?? 'none' }
      upstream.observe(labels, call.milliseconds / 1000)
    },
    /** Counts entries that were dropped from a list. */
    foreignSeen({ source, what, count }: ForeignSeen): void {
      if (what === 'missing') missing.inc(count)
      else foreign.inc({ source, what }, count)
    },
    /** Counts mints that were refused before the app saw them; they have no latency. */
    mintsRefused: (count: number) => requests.inc(REFUSED_MINT, count),
    /** Counts connections that were closed because too many were open. */
    turnedAway: (count: number) => turnedAway.inc(count),
    /** `GET /metrics`, for a listener of its own that the public cannot reach. */
    app,
    /** The counts since the start of the process. */
    snapshot: async (): Promise<Counted> => ({
      ...(await readCounted(requests, upstream)),
      activeSessions: (await orNothing(figures))?.activeSessions,
    }),
  }
}

function refuse(code: 'not_found' | 'method_not_allowed', others?: { readonly Allow: string }) {
  const id = newId('req_')
  const error = new ServiceError(code, { reason: 'only GET /metrics is here' })
  const { body, headers, status } = problemAnswer(error, id)
  return new Response(body, {
    status,
    headers: { 'X-Request-Id': id, ...EVERY_ANSWER, ...headers, ...others },
  })
}

/** Loaded at the first scrape, because they need OpenTelemetry's API and a timer of 10 ms. */
async function addProcessMetrics(registry: Registry): Promise<void> {
  const { default: collectDefaultMetrics } = await import('prom-client/lib/defaultMetrics.js')
  collectDefaultMetrics({ register: registry })
}

/** Methods with a label of their own. Node's parser knows about thirty; the rest share the label `other`. */
const SERVED_METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS'])

/** Reading the figures of the store takes at most this share of the time: counting a million sessions is slow. */
const FIGURES_SHARE = 1 / 50
const FIGURES_FOR_MS = 10_000

/** A scrape needs the figures twice; they are read once. Cheap ones are as new as the scrape, slow ones up to 10 s old. */
function rememberFigures(figures: MetricSources['figures']): MetricSources['figures'] {
  let known: ReturnType<MetricSources['figures']> | undefined
  let until = 0
  return () => {
    const askedAt = performance.now()
    if (known !== undefined && askedAt < until) return known
    until = Number.POSITIVE_INFINITY
    known = figures()
    known.then(
      () => {
        const now = performance.now()
        until = now + Math.min(FIGURES_FOR_MS, (now - askedAt) / FIGURES_SHARE)
      },
      () => {
        known = undefined
      },
    )
    return known
  }
}

function addGauges(registry: Registry, sources: MetricSources): void {
  const here = { registers: [registry] }
  const { figures } = sources
  for (const name of ['activeSessions', 'outboxLength'] as const) {
    new Gauge({
      ...DEFINITIONS[name],
      ...here,
      async collect() {
        this.set((await orNothing(figures))?.[name] ?? Number.NaN)
      },
    })
  }
  new Gauge({
    ...DEFINITIONS.mintsUnderWay,
    ...here,
    collect() {
      this.set(sources.mintsUnderWay())
    },
  })
  new Gauge({
    ...DEFINITIONS.keySetAge,
    ...here,
    collect() {
      this.reset()
      for (const [issuer, age] of sources.keyAges())
        if (age !== undefined) this.set({ issuer }, age)
    },
  })
  new Gauge({
    ...DEFINITIONS.breakerOpen,
    ...here,
    collect() {
      for (const { key, breaker, open } of sources.breakers()) {
        this.set({ key, breaker }, open ? 1 : 0)
      }
    },
  })
}

async function orNothing<T>(ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await ask()
  } catch {
    return undefined
  }
}
