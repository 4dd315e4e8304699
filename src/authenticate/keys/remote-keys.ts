// Fetches the keys that an issuer publishes, refreshes them, and uses known keys during an outage.

import type { JWK } from 'jose'
import errors from 'undici/lib/core/errors.js'
import type { Clock } from '../../lib/clock.ts'
import { ServiceError } from '../../lib/errors.ts'
import type { Log } from '../../lib/log.ts'
import { reasonOf } from '../../lib/show.ts'
import type { IssuerKeys } from './issuer-keys.ts'
import { createFindKeys, type FindKeys, namesOf } from './local-keys.ts'

/** Longest age up to which a set counts as current. */
const FRESH_MS = 10 * 60_000
/** Share of that age from which a set in use is refreshed in the background. */
const AGEING = 0.8
/** Least time between two fetches, whatever the requests ask for. */
const COOL_DOWN_MS = 5_000
/** Time between fetches after the first, second, … failure in a row, as long as known keys are usable. */
const BACK_OFF_MS = [5_000, 10_000, 20_000, 30_000]

/**
 * A failed fetch never replaces known keys, so they stay usable during an outage of the issuer. However
 * many requests come, they cause at most one fetch in five seconds.
 */
export function createRemoteKeys({
  issuer,
  staleSeconds,
  load,
  forgetAddress = () => undefined,
  now,
  log,
}: {
  readonly issuer: string
  /**
   * For how many seconds after its last fetch a set may be used while a newer one cannot be fetched. Fewer than ten
   * minutes make fetches as frequent, so that an outage is noticed in that time.
   */
  readonly staleSeconds: number
  /** Fetches the usable keys. It may reject: failures are logged and retried here. */
  readonly load: () => Promise<readonly JWK[]>
  /** Called when a token needs a key that the newest set lacks: the set may have moved to another address. */
  readonly forgetAddress?: () => void
  readonly now: Clock
  readonly log: Log
}): IssuerKeys {
  const freshMs = Math.min(FRESH_MS, Math.max(COOL_DOWN_MS, staleSeconds * 1000))
  const ageingMs = AGEING * freshMs
  const memory = createMemory(now, Math.max(freshMs, staleSeconds * 1000))
  const failures = createFailures(issuer, log)
  const pauseMs = () => (memory.serving() === undefined ? COOL_DOWN_MS : failures.backOffMs())
  const fetchIfAllowed = pace(attempt, pauseMs, now)

  async function attempt(): Promise<void> {
    const startedAt = now()
    try {
      const keys = await load()
      const changed = memory.accept(keys, startedAt)
      failures.end()
      if (changed)
        log.info({ issuer, kids: keys.map(({ kid }) => kid ?? null) }, 'issuer keys changed')
    } catch (error) {
      failures.add(error, pauseMs)
    }
  }

  async function needed(): Promise<KnownSet> {
    const set = memory.serving()
    const fetchedAt = set?.fetchedAt ?? Number.NEGATIVE_INFINITY
    // If the clock was set back after the fetch, the age is unknown: the issuer may have removed a key since.
    const ageMs = fetchedAt > now() ? freshMs : now() - fetchedAt
    // After a failure, known keys are used at once, and the next fetch runs in the background.
    const wait = set === undefined || (ageMs >= freshMs && failures.count() === 0)
    if (wait) await fetchIfAllowed()
    else if (ageMs >= ageingMs) void fetchIfAllowed()
    const current = memory.serving()
    if (current === undefined) throw failures.asOutage()
    return current
  }

  return {
    local: false,
    async find(header) {
      const { find, version } = await needed()
      return { keys: await find(header), version }
    },
    version: async () => (await needed()).version,
    async renewedSince(version) {
      if (memory.version() === version) await fetchIfAllowed()
      const renewed = memory.version() !== version
      if (!renewed) forgetAddress()
      return renewed
    },
    state() {
      const set = memory.serving()
      const ageSeconds = set && Math.floor((now() - set.fetchedAt) / 1000)
      return { usable: set !== undefined, ageSeconds }
    },
    names: () => memory.serving()?.names ?? [],
    async warm() {
      const set = memory.serving()
      if (set === undefined || now() - set.fetchedAt >= ageingMs) await fetchIfAllowed()
    },
  }
}

interface KnownSet {
  readonly find: FindKeys
  /** The keys as text, to tell whether they changed. */
  readonly text: string
  readonly names: readonly string[]
  readonly version: number
  readonly fetchedAt: number
}

/** Holds the last good set, for as long as it may be used. */
function createMemory(now: Clock, maxAgeMs: number) {
  let known: KnownSet | undefined
  return {
    serving: () => (known !== undefined && now() - known.fetchedAt <= maxAgeMs ? known : undefined),
    version: () => known?.version,
    /** Keeps the imported keys when the set is unchanged. Returns whether the set changed. */
    accept(keys: readonly JWK[], fetchedAt: number): boolean {
      const text = JSON.stringify(keys)
      const version = known?.version ?? 0
      const same = known?.text === text ? known : undefined
      if (same) known = { ...same, fetchedAt }
      else {
        const find = createFindKeys(keys)
        known = { find, text, names: namesOf(keys), version: version + 1, fetchedAt }
      }
      return same === undefined
    },
  }
}

/** The service ends, and has closed its connections while a fetch was under way: no failure of the issuer. */
function isOwnEnd(error: unknown): boolean {
  return error instanceof ServiceError && error.cause instanceof errors.ClientDestroyedError
}

/** Counts failures in a row, and logs each. */
function createFailures(issuer: string, log: Log) {
  let count = 0
  let last: unknown
  const backOffMs = () => BACK_OFF_MS[Math.min(count, BACK_OFF_MS.length) - 1] ?? COOL_DOWN_MS
  return {
    count: () => count,
    backOffMs,
    add(error: unknown, pauseMs: () => number): void {
      count += 1
      last = error
      if (isOwnEnd(error)) return
      // The reason is enough for an outage; only an unforeseen error needs its stack.
      const why =
        error instanceof ServiceError
          ? { reason: error.reason }
          : { reason: 'unexpected failure', err: error }
      const details = { issuer, failures: count, next_fetch_seconds: pauseMs() / 1000, ...why }
      log.warn(details, 'issuer keys could not be fetched')
    },
    end(): void {
      if (count > 0) log.info({ issuer, failures: count }, 'issuer keys can be fetched again')
      count = 0
    },
    asOutage(): ServiceError {
      const why = last === undefined ? '' : `: ${reasonOf(last)}`
      const reason = `no keys of issuer ${issuer}${why}`
      return new ServiceError('idp_unavailable', { reason, cause: last, retryAfterSeconds: 5 })
    },
  }
}

/**
 * Lets a task run once at a time, and not too often.
 *
 * @param run - never rejects
 * @param pauseMs - least time between two starts, asked each time
 * @returns a function that waits for the run under way; if there is none, it starts one when the pause
 * is over, and otherwise does nothing
 */
function pace(run: () => Promise<void>, pauseMs: () => number, now: Clock) {
  let startedAt = Number.NEGATIVE_INFINITY
  let underWay: Promise<void> | undefined
  return async (): Promise<void> => {
    // If the clock is set back, the task must not wait until it has caught up.
    const allowed = now() - startedAt >= pauseMs() || now() < startedAt
    if (underWay === undefined && allowed) {
      startedAt = now()
      underWay = run().finally(() => {
        underWay = undefined
      })
    }
    await underWay
  }
}
