import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, expect, it } from 'vitest'
import { FIRST_LEASE_MS } from '../../src/registry/port.ts'
import { createSqliteRegistry } from '../../src/registry/sqlite.ts'
import {
  auditEntry,
  entry,
  hashOf,
  ids,
  NOW,
  ownership,
  pageIds,
  query,
  session,
  standingQuery,
} from '../contracts/registry-fixtures.ts'
import { plain } from '../support/ids.ts'
import { scratchFolder } from '../support/scratch-folder.ts'
import { forEachTest } from '../support/started.ts'

const ISSUER = 'https://idp.example/'

/** Rows in the first version of the schema. */
const ROWS = `
  INSERT INTO sessions (id, user, workflow, issuer, subject, sid, secret_hash, status, end_reason,
    created_at, expires_at, ends_at) VALUES
    ('live', 'alice', 'support', '${ISSUER}', 'alice-sub', NULL, '${hashOf('secret of live')}',
      'active', NULL, ${NOW}, ${NOW + 600}, ${NOW + 600}),
    ('ending', 'bob', 'support', '${ISSUER}', 'bob-sub', 'x', '${hashOf('secret of ending')}',
      'cancelling', 'revoked', ${NOW}, ${NOW + 600}, ${NOW + 600});
  INSERT INTO outbox VALUES ('ending', ${NOW * 1000 + FIRST_LEASE_MS});
  INSERT INTO users VALUES ('bob', 3, ${NOW});
  INSERT INTO blocks (user, until, reason, by, created_at)
    VALUES ('bob', ${NOW + 60}, 'why', 'idp|ada', ${NOW});
  INSERT INTO logout_marks VALUES ('${ISSUER}', 'subject', 'alice-sub', ${NOW}, ${NOW + 60});
  INSERT INTO remembered VALUES ('jti', ${NOW + 60});
  INSERT INTO audit (id, at, actor, action, user, outcome, reason, request_id)
    VALUES ('a1', ${NOW}, '${ISSUER}|ada', 'revoke', NULL, 'ok', NULL, NULL);
  INSERT INTO kept_keys VALUES ('log', x'010203');`

let path: string
const registry = forEachTest(() => {
  path = join(scratchFolder(), 'mint.db')
  const db = new DatabaseSync(path)
  db.exec(readFileSync(new URL('./sqlite-version-1.sql', import.meta.url), 'utf8'))
  db.exec(ROWS)
  db.close()
  return plain(createSqliteRegistry({ path }))
})

describe('a SQLite file of schema version 1', () => {
  it('keeps every row', async () => {
    const ending = {
      ...session({ id: 'ending', user: 'bob', subject: 'bob-sub', sid: 'x' }),
      status: 'cancelling',
      endReason: 'revoked',
    }
    const page = await registry.listSessions(query())
    expect(page?.data).toEqual([ending, session({ id: 'live' })])
    expect(page?.data.map(({ state }) => state)).toEqual([undefined, undefined])
    expect(await registry.readStanding(standingQuery())).toMatchObject({
      liveSessions: 1,
      loggedOutAt: NOW,
    })
    expect(await registry.readStanding(standingQuery('bob'))).toMatchObject({
      generation: 3,
      blockedUntil: NOW + 60,
    })
    const due = { nowMs: NOW * 1000 + FIRST_LEASE_MS, limit: 5, leaseMs: 1 }
    expect(ids(await registry.claimCancels(due))).toEqual(['ending'])
    expect((await registry.listAudit({ limit: 5 }))?.data).toEqual([auditEntry({ id: 'a1' })])
    expect(await registry.rememberOnce('jti', 60, NOW)).toBe(false)
    expect([...(await registry.keptKey('log', () => Uint8Array.of(9)))]).toEqual([1, 2, 3])
  })

  it('stores the fields of later versions, for old sessions and new ones', async () => {
    const use = { user: 'alice', maxPerMinute: 1, counts: 'run', nowMs: NOW * 1000 } as const
    expect((await registry.useSession({ ...use, id: 'live' })).kind).toBe('ok')
    expect((await registry.useSession({ ...use, id: 'live' })).kind).toBe('limited')
    await registry.record(entry({ id: 'new', state: { plan: 'pro' } }))
    expect((await registry.getSession('new'))?.state).toEqual({ plan: 'pro' })
    const open = ['live', 'new', 'ending'].map((id) => ({ id, user: 'alice' }))
    expect(await registry.endedAmong(open)).toEqual(['ending'])
    expect(await registry.claimOwnership(ownership({ id: 't1' }))).toBe('claimed')
    const all = { kind: 'thread', limit: 5, order: 'desc' } as const
    expect(pageIds(await registry.listOwned(all))).toEqual(['t1'])
  })

  it('knows each user by the latest session', async () => {
    const other = join(scratchFolder(), 'mint.db')
    const db = new DatabaseSync(other)
    db.exec(readFileSync(new URL('./sqlite-version-1.sql', import.meta.url), 'utf8'))
    const add = db.prepare(`
      INSERT INTO sessions (id, user, workflow, issuer, subject, secret_hash, status, created_at,
        expires_at, ends_at) VALUES (?1, 'alice', 'support', ?2, ?1, ?1, 'active', ?3, ?3, ?3)`)
    for (const [at, id] of ['first', 'second'].entries()) add.run(id, ISSUER, NOW + at)
    db.close()
    const again = plain(createSqliteRegistry({ path: other }))
    const users = (await again.listUsers({ limit: 5, now: NOW }))?.data
    await again.close()
    expect(users).toMatchObject([{ user: 'alice', subject: 'second', lastSeen: NOW + 1 }])
  })
})
