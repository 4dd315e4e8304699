import type { JWK } from 'jose'
import type { Clock } from '../../lib/clock.ts'
import { ServiceError } from '../../lib/errors.ts'
import type { Log } from '../../lib/log.ts'
import type { IssuerKeys } from './issuer-keys.ts'
import { createFindKeys, type FindKeys } from './local-keys.ts'
import { createPacedTask } from './paced-task.ts'

/** Age from which a set in use is refreshed behind the requests. */
const AGEING_MS = 8 * 60_000
/** Age up to which a set counts as current. */
const FRESH_MS = 10 * 60_000
/** No more than one fetch in this time, whoever asks for whatever key. */
const COOL_DOWN_MS = 5_000
/** Time between fetches after the first, second, … failure while known keys serve. */
const BACK_OFF_MS = [5_000, 10_000, 20_000, 30_000]

/** What a set of remote keys leans on. */
export interface RemoteKeysOptions {
  /** Whose keys, for the log. */
  readonly issuer: string
  /** How many seconds after its last fetch a set serves while newer ones cannot be had. */
  readonly staleSeconds: number
  /** Fetches the keys that may be used. Fails as it likes: failures are logged and retried here. */
  readonly load: () => Promise<readonly JWK[]>
  readonly now: Clock
  readonly log: Log
}

/**
 * Keys that an issuer publishes. They outlive an outage of the issuer (a failed fetch never replaces
 * what is known), and nobody's requests can make us fetch more than once in five seconds.
 *
 * @param options - issuer, limits, and the ways to network, clock and log
 */
export function createRemoteKeys(options: RemoteKeysOptions): IssuerKeys {
  const { now } = options
  const memory = createMemory(now, Math.max(FRESH_MS, options.staleSeconds * 1000))
  const failures = createFailures(options)
  const pauseMs = () => (memory.serving() === undefined ? COOL_DOWN_MS : failures.backOffMs())
  const fetch = createPacedTask({ run: attempt, pauseMs, now })

  async function attempt(): Promise<void> {
    const startedAt = now()
    try {
      const keys = await options.load()
      const changed = memory.accept(keys, startedAt)
      failures.end()
      if (changed) logChange(options, keys)
    } catch (error) {
      failures.add(error, pauseMs)
    }
  }

  async function needed(): Promise<KnownSet> {
    const set = memory.serving()
    // Waited for only when it may help: after a failure, known keys serve and the fetch goes on behind.
    const wait = set === undefined || (memory.ageMs(set) >= FRESH_MS && failures.count() === 0)
    if (wait) await fetch.runIfAllowed()
    else if (memory.ageMs(set) >= AGEING_MS) void fetch.runIfAllowed()
    const current = memory.serving()
    if (current === undefined) throw failures.asOutage()
    return current
  }

  return {
    async find(header) {
      const { find, version } = await needed()
      return { keys: await find(header), version }
    },
    version: async () => (await needed()).version,
    async renewedSince(version) {
      if (memory.version() === version) await fetch.runIfAllowed()
      return memory.version() !== version
    },
    state() {
      const set = memory.serving()
      const ageSeconds = set === undefined ? undefined : Math.floor(memory.ageMs(set) / 1000)
      return { usable: set !== undefined, ageSeconds }
    },
    async warm() {
      const set = memory.serving()
      if (set === undefined || memory.ageMs(set) >= AGEING_MS) await fetch.runIfAllowed()
    },
  }
}

interface KnownSet {
  readonly find: FindKeys
  /** The keys as text, to tell whether they changed. */
  readonly text: string
  readonly version: number
  readonly fetchedAt: number
}

/** The last good set, for as long as it may serve. */
function createMemory(now: Clock, maxAgeMs: number) {
  let known: KnownSet | undefined
  const ageMs = (set: KnownSet) => now() - set.fetchedAt
  return {
    ageMs,
    serving: () => (known !== undefined && ageMs(known) <= maxAgeMs ? known : undefined),
    version: () => known?.version,
    /** Keeps imported keys when the set is the same; tells whether it changed. */
    accept(keys: readonly JWK[], fetchedAt: number): boolean {
      const text = JSON.stringify(keys)
      const version = known?.version ?? 0
      const same = known?.text === text ? known : undefined
      if (same) known = { ...same, fetchedAt }
      else known = { find: createFindKeys(keys), text, version: version + 1, fetchedAt }
      return same === undefined
    },
  }
}

/** Failures in a row, each logged once. */
function createFailures({ issuer, log }: RemoteKeysOptions) {
  let count = 0
  let last: unknown
  const backOffMs = () => BACK_OFF_MS[Math.min(count, BACK_OFF_MS.length) - 1] ?? COOL_DOWN_MS
  return {
    count: () => count,
    backOffMs,
    add(error: unknown, pauseMs: () => number): void {
      count += 1
      last = error
      const reason = error instanceof ServiceError ? error.reason : 'unexpected failure'
      const details = { issuer, reason, failures: count, nextFetchSeconds: pauseMs() / 1000 }
      log.warn({ ...details, err: error }, 'issuer keys could not be fetched')
    },
    end(): void {
      if (count > 0) log.info({ issuer, failures: count }, 'issuer keys can be fetched again')
      count = 0
    },
    asOutage(): ServiceError {
      const reason = `no keys of issuer ${issuer}`
      return new ServiceError('idp_unavailable', { reason, cause: last, retryAfterSeconds: 5 })
    },
  }
}

function logChange({ issuer, log }: RemoteKeysOptions, keys: readonly JWK[]): void {
  log.info({ issuer, kids: keys.map(({ kid }) => kid ?? null) }, 'issuer keys changed')
}
