import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, expect, it } from 'vitest'
import { FIRST_LEASE_MS } from '../../src/registry/port.ts'
import { createSqliteRegistry } from '../../src/registry/sqlite.ts'
import {
  auditEntry,
  entry,
  ids,
  NOW,
  order,
  ownership,
  type PlainRegistry,
  pageIds,
  query,
  session,
  standingQuery,
} from '../contracts/registry-fixtures.ts'
import { plain } from '../support/ids.ts'
import { scratchFolder } from '../support/scratch-folder.ts'
import { forEachTest } from '../support/started.ts'

// The SQL is the dump of a file that the service wrote at commit 71f6dbc: a live hosted session, a
// live self-hosted one, one that has ended, one whose cancel waits, and a row of every other table.
const DUMP = readFileSync(new URL('./sqlite-version-3.sql', import.meta.url), 'utf8')
const BOBS = { user: 'bob', subject: 'bob-sub' }

let path: string
const registry = forEachTest(() => {
  path = join(scratchFolder(), 'mint.db')
  const db = new DatabaseSync(path)
  db.exec(DUMP)
  db.close()
  return plain(createSqliteRegistry({ path }))
})

describe('a SQLite file of schema version 3', () => {
  it('has the schema of a new file once it is open', async () => {
    const other = join(scratchFolder(), 'new.db')
    await createSqliteRegistry({ path: other }).close()
    expect(schemaOf(path)).toEqual(schemaOf(other))
  })

  it('gives no session the seq of one that has been removed', async () => {
    const other = join(scratchFolder(), 'swept.db')
    const db = new DatabaseSync(other)
    db.exec(`${DUMP} UPDATE sqlite_sequence SET seq = 100 WHERE name = 'sessions'`)
    const again = plain(createSqliteRegistry({ path: other }))
    await again.record(entry({ id: 'new' }))
    await again.close()
    expect(db.prepare("SELECT seq FROM sessions WHERE id = 'new'").get()).toEqual({ seq: 101 })
    db.close()
  })

  it('keeps sessions, in their order and with their state', async () => {
    const ended = { status: 'cancelled', endReason: 'cancelled' } as const
    const ending = { ...BOBS, status: 'cancelling', endReason: 'revoked' } as const
    const state = { plan: 'pro', seats: 3 }
    expect((await registry.listSessions(query()))?.data).toEqual([
      session({ id: 'ending', ...ending }),
      session({ id: 'ended', ...ended }),
      session({ id: 'self_hosted', workflow: 'helpdesk', state }),
      session({ id: 'live', sid: 'browser' }),
    ])
    expect(await registry.figures(NOW)).toEqual({ activeSessions: 2, outboxLength: 1 })
    expect(await registry.usersOf({ issuer: session({ id: '' }).issuer, sid: 'browser' })).toEqual([
      'alice',
    ])
  })

  it('keeps the block, the generation, the outbox and the logout marks', async () => {
    const until = NOW + 3600
    const by = 'https://idp.example/|ada'
    const block = { user: 'bob', until, reason: 'why', by, createdAt: NOW, generation: 0 }
    expect(await registry.getBlock('bob', NOW)).toEqual(block)
    expect(await registry.readStanding(standingQuery('bob'))).toMatchObject({
      generation: 1,
      blockedUntil: until,
      liveSessions: 0,
    })
    const due = { nowMs: NOW * 1000 + FIRST_LEASE_MS, limit: 5, leaseMs: 1 }
    expect(ids(await registry.claimCancels(due))).toEqual(['ending'])
    for (const carols of [{ subject: 'carol-sub' }, { subject: 'other', sid: 'gone' }]) {
      const identity = { ...standingQuery().identity, ...carols }
      const standing = await registry.readStanding({ ...standingQuery('carol'), identity })
      expect(standing.loggedOutAt).toBe(NOW)
    }
  })

  it('moves ownership from the workflow to its server once, and later starts leave it there', async () => {
    const source = 'http://desk.internal/chatkit'
    await expectOwned(registry, '\nhelpdesk')
    const move = { workflow: 'helpdesk', source }
    for (const moves of [[move], [], [move], [{ workflow: source, source }]]) {
      const again = plain(createSqliteRegistry({ path, moves }))
      await expectOwned(again, source)
      await again.close()
    }
  })

  it('moves ownership of a workflow whose name is now the source of its threads', async () => {
    const moves = [
      { workflow: 'renamed', source: 'helpdesk' },
      { workflow: 'helpdesk', source: 'helpdesk' },
    ]
    const again = plain(createSqliteRegistry({ path, moves }))
    await expectOwned(again, 'helpdesk')
    await again.close()
  })

  it('does not move later claims of a source that has the name of a workflow', async () => {
    const owned = ownership({ source: 'helpdesk', id: 'thr_9', user: 'carol' })
    expect(await registry.claimOwnership(owned)).toBe('claimed')
    const again = plain(
      createSqliteRegistry({ path, moves: [{ workflow: 'helpdesk', source: 'x' }] }),
    )
    expect(await again.ownersOf([owned])).toEqual(['carol'])
    await expectOwned(again, 'x')
    await again.close()
  })

  it('keeps the first owner of a thread that two workflows of one server have', async () => {
    const db = new DatabaseSync(path)
    db.exec(`UPDATE owned SET seq = 10 WHERE id = 'thr_1';
      INSERT INTO owned VALUES (5, char(10) || 'first', 'thread', 'thr_1', 'carol', 1);
      INSERT INTO owned VALUES (12, char(10) || 'late', 'thread', 'thr_1', 'bob', 1);
      INSERT INTO owned VALUES (13, 'x', 'thread', 'thr_1', 'dave', 1);
      INSERT INTO owned VALUES (14, char(10) || 'late', 'attachment', 'thr_1', 'bob', 1);
      INSERT INTO owned VALUES (3, 'earlier', 'thread', 'thr_1', 'eve', 1);
      INSERT INTO owned VALUES (15, 'later', 'thread', 'thr_1', 'eve', 1);`)
    db.close()
    const moves = ['late', 'helpdesk', 'first'].map((workflow) => ({ workflow, source: 'x' }))
    const again = plain(createSqliteRegistry({ path, moves }))
    const things = [
      ownership({ source: 'x', id: 'thr_1' }),
      ownership({ source: 'x', id: 'thr_1', kind: 'attachment' }),
      ownership({ source: 'earlier', id: 'thr_1' }),
      ownership({ source: 'later', id: 'thr_1' }),
    ]
    expect(await again.ownersOf(things)).toEqual(['carol', 'bob', 'eve', 'eve'])
    await again.close()
  })

  it('keeps audit, counters, replay protection and keys', async () => {
    const entries = await registry.listAudit({ limit: 5, user: 'bob' })
    const about = { user: 'bob', reason: 'why', requestId: 'r1' }
    expect(entries?.data).toEqual([auditEntry({ id: 'a1', ...about })])
    const window = { seconds: 3600, nowMs: NOW * 1000 }
    expect(await registry.consume('mint:alice', window)).toMatchObject({ used: 2 })
    const use = {
      id: 'self_hosted',
      user: 'alice',
      maxPerMinute: 2,
      counts: 'run',
      nowMs: NOW * 1000,
    } as const
    expect((await registry.useSession(use)).kind).toBe('ok')
    expect((await registry.useSession(use)).kind).toBe('limited')
    expect(await registry.rememberOnce('jti', 3600, NOW)).toBe(false)
    expect([...(await registry.keptKey('log', () => Uint8Array.of(9)))]).toEqual([1, 2, 3])
  })

  it('knows and finds the users of its sessions, by their newest session', async () => {
    const about = { issuer: session({ id: '' }).issuer, lastSeen: NOW, blockedUntil: undefined }
    const alice = { ...about, user: 'alice', subject: 'alice-sub', liveSessions: 2 }
    const bob = { ...about, ...BOBS, liveSessions: 0, blockedUntil: NOW + 3600 }
    const list = { limit: 5, now: NOW }
    expect((await registry.listUsers(list))?.data).toEqual([bob, alice])
    expect((await registry.listUsers({ ...list, q: 'ALICE-' }))?.data).toEqual([alice])
    expect((await registry.listUsers({ ...list, q: 'b' }))?.data).toEqual([bob])
    expect([await registry.isKnown('alice'), await registry.isKnown('carol')]).toEqual([
      true,
      false,
    ])
  })

  it('accepts new sessions, revokes, confirmed cancels and erases', async () => {
    expect(await registry.record(entry({ id: 'barred', ...BOBS }, { generation: 1 }))).toEqual({
      kind: 'blocked',
    })
    await registry.record(entry({ id: 'new', state: { plan: 'free' } }))
    expect(pageIds(await registry.listSessions(query({ user: 'alice', limit: 1 })))).toEqual([
      'new',
    ])
    const revoked = await registry.revoke(order())
    expect([...ids(revoked.cancelling)].sort()).toEqual(['live', 'new', 'self_hosted'])
    expect(await registry.record(entry({ id: 'late' }))).toEqual({ kind: 'blocked' })
    await registry.confirmCancel(['live', 'new', 'self_hosted', 'ending'], NOW)
    expect(await registry.figures(NOW)).toEqual({ activeSessions: 0, outboxLength: 0 })
    const erase = { user: 'alice', limit: 20, now: NOW }
    expect(await registry.eraseUser(erase)).toEqual({ erased: 4, more: false })
    expect(pageIds(await registry.listSessions(query()))).toEqual(['ending'])
  })
})

async function expectOwned(by: PlainRegistry, source: string): Promise<void> {
  const query = { source, order: 'desc', limit: 5 } as const
  for (const [kind, id] of [['thread', 'thr_1'] as const, ['attachment', 'atc_1'] as const]) {
    const owned = ownership({ source, kind, id })
    expect((await by.listOwned({ ...query, kind }))?.data).toEqual([owned])
    expect(await by.ownersOf([owned])).toEqual(['alice'])
    expect(await by.claimOwnership({ ...owned, user: 'bob' })).toBe('taken')
  }
}

/** Removes what does not count: the quotes around a renamed table, and comments. */
function schemaOf(file: string): unknown {
  const db = new DatabaseSync(file, { readOnly: true })
  const made = db.prepare('SELECT name, sql FROM sqlite_master ORDER BY name').all()
  const version = db.prepare('PRAGMA user_version').get()
  db.close()
  return [version, made.map(({ name, sql }) => [name, String(sql).replaceAll(/--.*|[\s"]/g, '')])]
}
