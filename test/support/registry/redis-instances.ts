import { vi } from 'vitest'
import { createLog } from '../../../src/lib/log.ts'
import { Secret } from '../../../src/lib/secret.ts'
import type { SessionRecord } from '../../../src/registry/records.ts'
import { createRedisRegistry } from '../../../src/registry/redis.ts'
import {
  auditEntry,
  entry,
  NOW,
  order,
  ownership,
  type PlainRegistry,
  query,
  standingQuery,
} from '../../contracts/registry-fixtures.ts'
import { plain } from '../ids.ts'

/** Instances of one test file, and their log lines. */
export function redisInstances() {
  const lines: string[] = []
  const log = createLog({ level: 'info', destination: { write: (line) => void lines.push(line) } })
  const opened: PlainRegistry[] = []
  function open(url: string, { cluster = false, replicas = 0, callMs = 250 } = {}): PlainRegistry {
    const location = { url: new Secret(url), cluster, replicas }
    const registry = plain(createRedisRegistry({ ...location, callMs, log }))
    opened.push(registry)
    return registry
  }
  return {
    lines,
    open,
    /** The same, once it takes writes. */
    async answering(url: string, parts: Parameters<typeof open>[1] = {}) {
      const registry = open(url, parts)
      await answers(registry)
      return registry
    },
    async closeAll() {
      for (const registry of opened.splice(0)) await registry.close()
      lines.length = 0
    },
  }
}

/** Waits until a write succeeds; no longer than a recovery may take. */
export const answers = (registry: PlainRegistry): Promise<void> =>
  vi.waitFor(() => registry.check(), { timeout: 2_000, interval: 20 })

export const claim = (registry: PlainRegistry, nowMs: number): Promise<readonly SessionRecord[]> =>
  registry.claimCancels({ nowMs, limit: 64, leaseMs: 1_000 })

const X = { id: 'x', user: 'carol' }

/** Every method that must not answer without the store. */
export function everyCall(registry: PlainRegistry): readonly (() => Promise<unknown>)[] {
  return [
    () => registry.readStanding(standingQuery()),
    () => registry.record(entry({ id: 'x', user: 'carol' })),
    () => registry.revoke(order({ user: 'carol-2' })),
    () => registry.beginCancel('x', NOW),
    () => registry.confirmCancel(['x'], NOW),
    () => claim(registry, NOW * 1000),
    () => registry.postponeCancel('x', NOW),
    () => registry.useSession({ ...X, maxPerMinute: 1, counts: 'run', nowMs: NOW * 1000 }),
    () => registry.endedAmong([X]),
    () => registry.claimOwnership(ownership({ id: 'x' })),
    () => registry.ownersOf([ownership({ id: 'x' })]),
    () => registry.listOwned({ kind: 'thread', limit: 1, order: 'asc' }),
    () => registry.releaseOwnership(ownership({ id: 'x' })),
    () => registry.getSession('x'),
    () => registry.listSessions(query()),
    () => registry.listBlocks({ limit: 1, order: 'asc', now: NOW }),
    () => registry.liftBlock('carol', NOW),
    () => registry.listUsers({ limit: 1, now: NOW }),
    () => registry.listUsers({ q: 'c', limit: 1, now: NOW }),
    () => registry.isKnown('carol'),
    () => registry.usersOf({ issuer: 'i', subject: 's' }),
    () => registry.markLogout({ issuer: 'i', subject: 's', issuedBefore: NOW, keepUntil: NOW }),
    () => registry.remembers('k', NOW),
    () => registry.rememberOnce('k', 1, NOW),
    () => registry.appendAudit([auditEntry({ id: 'x' })]),
    () => registry.listAudit({ limit: 1 }),
    () => registry.keptKey('k', () => Uint8Array.of(1)),
    () =>
      registry.sweep({
        sessionsEndedBefore: NOW,
        auditBefore: NOW,
        usersSeenBefore: NOW,
        now: NOW,
      }),
    () => registry.getBlock('carol', NOW),
    () => registry.eraseUser({ user: 'x', limit: 1, now: NOW }),
    () => registry.figures(NOW),
    () =>
      registry.addFigures({
        instance: 'i',
        at: NOW,
        mints: 1,
        refusals: {},
        upstream: [],
        activeSessions: 1,
      }),
    () => registry.readFigures({ seconds: 60, from: NOW, until: NOW + 60 }),
    () => registry.check(),
  ]
}
