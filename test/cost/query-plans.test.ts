import { join } from 'node:path'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { createSqliteRegistry } from '../../src/registry/sqlite.ts'
import {
  chainedEntry,
  entry,
  hashOf,
  NOW,
  order,
  type PlainRegistry,
  standingQuery,
} from '../contracts/registry-fixtures.ts'
import { plain } from '../support/ids.ts'
import { fillSqlite } from '../support/registry/fill-sqlite.ts'
import { scratchFolder } from '../support/scratch-folder.ts'

// SQLite finds the rows for a mint and a revoke by an index, without reading rows of other users. The deterministic
// side of "no slower with 100,000 sessions".

const path = join(scratchFolder(), 'mint.db')
const texts = new Set<string>()
let db: DatabaseSync

beforeAll(async () => {
  const prepare = DatabaseSync.prototype.prepare
  vi.spyOn(DatabaseSync.prototype, 'prepare').mockImplementation(function (
    this: DatabaseSync,
    text: string,
  ): StatementSync {
    texts.add(text)
    return prepare.call(this, text)
  })
  await everyStep()
  vi.restoreAllMocks()
  fillSqlite(path, 5000, NOW)
  db = new DatabaseSync(path)
})
afterAll(() => {
  db?.close()
})

async function everyStep(): Promise<void> {
  const registry = plain(createSqliteRegistry({ path }))
  texts.clear()
  const cap = { max: 2, whenFull: 'evict_oldest' } as const
  const sid = 'sid'
  await registry.readStanding({ ...standingQuery('alice', hashOf('x')), now: NOW })
  await registry.readStanding({
    ...standingQuery(),
    identity: { issuer: 'https://idp.example/', subject: 's', sid },
  })
  for (const id of ['a', 'b', 'c']) await registry.record(entry({ id, sid }, { cap }))
  const replaces = 'c'
  await registry.record(entry({ id: 'd' }, { cap, replaces }))
  await registry.beginCancel('d', NOW)
  await registry.revoke(order({ block: { until: NOW + 60, reason: 'r', by: 'ada' } }))
  await registry.revoke(order({ identity: { issuer: 'https://idp.example/', subject: 's', sid } }))
  await registry.claimCancels({ nowMs: NOW * 1000 + 60_000, limit: 64, leaseMs: 5000 })
  await registry.postponeCancel('a', NOW * 1000)
  await registry.confirmCancel(['a', 'b'], NOW)
  await registry.markLogout({ ...standingQuery().identity, sid, issuedBefore: 1, keepUntil: 2 })
  await registry.usersOf({ issuer: 'https://idp.example/', subject: 's' })
  await registry.usersOf({ issuer: 'https://idp.example/', sid })
  await registry.usersOf({ issuer: 'https://idp.example/', sid: '\u0000s' })
  await registry.liftBlock('alice', NOW)
  const window = { seconds: 1, nowMs: NOW * 1000 }
  await registry.consume('key', window)
  await registry.beginMint(standingQuery(), window)
  await registry.remembers('key', NOW)
  await registry.rememberOnce('key', 60, NOW)
  await registry.getSession('a')
  await registry.getBlock('alice', NOW)
  for (const q of [undefined, 'a']) {
    await registry.listUsers({ q, limit: 1, now: NOW })
    await registry.listUsers({ q, limit: 1, after: 'alice', now: NOW })
  }
  await registry.listBlocks({ limit: 1, order: 'desc', now: NOW })
  for (const filter of [{}, { user: 'alice' }, { subject: 's' }, { workflow: 'w' }]) {
    for (const status of [undefined, 'active', 'cancelled'] as const) {
      await registry.listSessions({ ...filter, status, limit: 1, order: 'desc', now: NOW })
    }
  }
  await registry.readFigures({ seconds: 300, from: 0, until: 1 })
  const counted = { mints: 1, refusals: {}, upstream: [], activeSessions: 1 }
  await registry.addFigures({ instance: 'i', at: NOW, ...counted })
  await registry.isKnown('alice')
  await registry.endedAmong([{ id: 'a', user: 'alice' }])
  await everyAuditList(registry)
  await registry.eraseUser({ user: 'alice', limit: 9, now: NOW })
  await registry.close()
}

/** Every combination of filters of the audit. */
async function everyAuditList(registry: PlainRegistry): Promise<void> {
  await registry.appendAudit([chainedEntry({ id: 'e', user: 'alice' })])
  const all = { user: 'u', actor: 'a', action: 'x', notAction: 'y', since: NOW, until: NOW + 1 }
  const names = Object.entries(all)
  for (let chosen = 0; chosen < 2 ** names.length; chosen++) {
    const filter = Object.fromEntries(names.filter((_, at) => chosen & (1 << at)))
    await registry.listAudit({ limit: 20, after: 'e', ...filter })
  }
}

test('no step of a mint or a revoke reads a whole table, or sorts more than one user has', () => {
  expect(texts.size).toBeGreaterThan(20)
  // Lists of the audit have a test of their own.
  expect([...texts].filter((text) => !isAuditList(text)).flatMap(slowIn)).toEqual([])
})

test('every list of the audit walks in the order of writing, through a bounded number of entries', () => {
  const lists = [...texts].filter(isAuditList)
  expect(lists).toHaveLength(64)
  for (const text of lists) {
    const plan = db
      .prepare(`EXPLAIN QUERY PLAN ${text}`)
      .all()
      .map(({ detail }) => String(detail))
    expect(plan.join('\n')).toMatch(
      /SEARCH audit USING (?:INTEGER PRIMARY KEY \(rowid>\? AND rowid<\?\)|INDEX audit_(user|actor|action) \(\1=\? AND rowid>\? AND rowid<\?\))/,
    )
    expect(plan.join('\n')).not.toMatch(/TEMP B-TREE|AUTOMATIC/)
  }
})

const isAuditList = (text: string) => /FROM audit WHERE .*DESC LIMIT 5000/.test(text)

const OWN_ROWS = /^SEARCH sessions USING INDEX \w+ \((?:user|subject|sid)=\?/

/** Steps of its plan whose cost grows with other users' rows. */
function slowIn(text: string): readonly string[] {
  const plan = db.prepare(`EXPLAIN QUERY PLAN ${text}`).all()
  const details = plan.map(({ detail }) => String(detail))
  const ownOnly = details
    .filter((detail) => detail.startsWith('SEARCH'))
    .every((detail) => OWN_ROWS.test(detail))
  return details
    .filter(
      (detail) =>
        /^SCAN (?!CONSTANT ROW)|AUTOMATIC/.test(detail) || (!ownOnly && /TEMP B-TREE/.test(detail)),
    )
    .map((detail) => `${detail}: ${text}`)
}

test.each([
  'SELECT * FROM sessions WHERE secret_hash || 1 = ?',
  'SELECT * FROM sessions WHERE expires_at > 1 ORDER BY issuer',
  'SELECT count(*) FROM outbox',
])('a query that is slow would be seen: %s', (text) => {
  expect(slowIn(text)).toHaveLength(1)
})
