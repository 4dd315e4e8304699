import { existsSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { StoreUnusableError } from '../../src/registry/port.ts'
import { migrate } from '../../src/registry/sqlite/open.ts'
import { SCHEMA, SCHEMA_VERSION } from '../../src/registry/sqlite/schema.ts'
import {
  auditEntry,
  chainedEntry,
  entry,
  NOW,
  order,
  pageIds,
  session,
  standingQuery,
} from '../contracts/registry-fixtures.ts'
import { sqliteFile } from '../support/registry/sqlite-file.ts'

const file = sqliteFile()
const { open, foreign } = file

describe('the SQLite file', () => {
  it('is created readable for its owner only, and so is its folder', () => {
    open({ path: join(file.folder, 'a', 'b', 'mint.db') })
    expect(statSync(join(file.folder, 'a', 'b')).mode & 0o777).toBe(0o700)
    for (const suffix of ['', '-wal', '-shm']) {
      expect(statSync(join(file.folder, 'a', 'b', `mint.db${suffix}`)).mode & 0o777).toBe(0o600)
    }
  })

  it('holds the name of an erased user nowhere, not even in its log', async () => {
    const registry = open()
    const user = 'https://idp.example/|needle'
    for (let at = 0; at < 50; at++) {
      await registry.record(entry({ id: `s${at}`, user, subject: 'needle', expiresAt: NOW + at }))
      await registry.record(entry({ id: `of-bob-${at}`, user: 'bob' }))
      await registry.appendAudit([
        chainedEntry({ id: `a${at}`, user, actor: user }, { byUser: true }),
      ])
    }
    const erase = { user, limit: 40, now: NOW + 50 }
    const words = () =>
      ['', '-wal'].map(
        (suffix) =>
          readFileSync(file.path + suffix)
            .toString()
            .split('needle').length - 1,
      )
    expect(Math.max(...words())).toBeGreaterThan(100)
    while ((await registry.eraseUser(erase)).more);
    expect(words()).toEqual([0, 0])
  })

  it('has everything again after it is closed and reopened', async () => {
    const before = open()
    const block = { until: NOW + 60, reason: 'why', by: 'idp|ada' }
    await before.record(entry({ id: 's1', sid: 'x' }))
    await before.record(entry({ id: 's2', user: 'bob' }))
    await before.revoke(order({ block }))
    await before.markLogout({
      issuer: 'https://idp.example/',
      subject: 'alice-sub',
      issuedBefore: NOW,
      keepUntil: NOW + 60,
    })
    await before.appendAudit([auditEntry({ id: 'a1' })])
    await before.rememberOnce('jti', 60, NOW)
    const key = await before.keptKey('log', () => Uint8Array.of(1, 2, 3))
    await before.close()

    const after = open()
    expect(await after.getSession('s2')).toEqual(session({ id: 's2', user: 'bob' }))
    expect(await after.getSession('s1')).toMatchObject({ status: 'cancelling', sid: 'x' })
    expect(await after.readStanding(standingQuery())).toEqual({
      generation: 1,
      blockedUntil: NOW + 60,
      loggedOutAt: NOW,
      liveSessions: 0,
      current: undefined,
    })
    expect((await after.listBlocks({ limit: 5, order: 'desc', now: NOW }))?.data).toMatchObject([
      { user: 'alice', reason: 'why' },
    ])
    const due = await after.claimCancels({ nowMs: (NOW + 60) * 1000, limit: 5, leaseMs: 1 })
    expect(due.map(({ id }) => id)).toEqual(['s1'])
    expect(pageIds(await after.listAudit({ limit: 5 }))).toEqual(['a1'])
    expect(await after.rememberOnce('jti', 60, NOW)).toBe(false)
    expect(await after.keptKey('log', () => Uint8Array.of(9))).toEqual(key)
  })

  it('is refused at the start when it is not a database', () => {
    writeFileSync(file.path, 'x'.repeat(10_000))
    expect(() => open()).toThrow(StoreUnusableError)
    expect(() => open()).toThrow(/mint\.db cannot be used: .*not a database; restore a backup, see/)
  })

  it('is refused at the start when its pages are damaged', async () => {
    const registry = open()
    for (let at = 0; at < 300; at++) await registry.appendAudit([auditEntry({ id: `a${at}` })])
    await registry.close()
    const db = foreign()
    db.exec('PRAGMA journal_mode = DELETE')
    db.close()
    const bytes = readFileSync(file.path)
    writeFileSync(file.path, bytes.fill(0xa5, 4096))
    expect(() => open()).toThrow(StoreUnusableError)
    expect(() => open()).toThrow(/; restore a backup, see src\/docs\/operate\.md$/)
  })

  it('is refused at the start when it is a folder, or when its folder cannot be created', () => {
    mkdirSync(file.path)
    expect(() => open()).toThrow(StoreUnusableError)
    expect(() => open()).toThrow(/cannot be used: EISDIR.*; name a file in this folder$/)
    writeFileSync(join(file.folder, 'file'), '')
    expect(() => open({ path: join(file.folder, 'file', 'mint.db') })).toThrow(StoreUnusableError)
    symlinkSync(join(file.folder, 'nowhere'), join(file.folder, 'link'))
    expect(() => open({ path: join(file.folder, 'link', 'mint.db') })).toThrow(StoreUnusableError)
  })

  // Node's own recursive mkdir never returns there.
  it.runIf(existsSync('/proc/self'))('is refused at once in a folder below /proc', () => {
    expect(() => open({ path: '/proc/chatkit-mint/deep/mint.db' })).toThrow(
      /cannot be used: ENOENT.*; name a path where folders can be made$/,
    )
  })

  it('is refused with advice when it, or a file beside it, may not be written', () => {
    const advice = /; let the user of this process write the file and its folder \(the image runs/
    mkdirSync(`${file.path}-journal`)
    expect(() => open()).toThrow(advice)
    // Nobody may write there, not even root.
    if (existsSync('/proc/1/mem')) expect(() => open({ path: '/proc/1/mem' })).toThrow(advice)
  })

  it('is refused when a newer version wrote it, and left unchanged', async () => {
    await open().close()
    const db = foreign()
    db.exec(`PRAGMA user_version = ${SCHEMA_VERSION + 1}`)
    expect(() => open()).toThrow(/written by a newer chatkit-mint/)
    expect(db.prepare('PRAGMA user_version').get()?.['user_version']).toBe(SCHEMA_VERSION + 1)
    db.close()
  })

  it("is refused when it is another program's, with or without a version", () => {
    const db = foreign()
    db.exec('CREATE TABLE theirs (a)')
    expect(() => open()).toThrow(/another program/)
    db.exec('PRAGMA user_version = 1')
    expect(() => open()).toThrow(/another program/)
    expect(
      db.prepare("SELECT count(*) AS n FROM sqlite_schema WHERE name = 'sessions'").get(),
    ).toEqual({ n: 0 })
    db.close()
  })

  it('is migrated once, and a failed step leaves it unchanged', () => {
    const db = foreign()
    const next = SCHEMA_VERSION + 1
    const added = `${SCHEMA} CREATE TABLE later (a INTEGER) STRICT;`
    // The table `half` is made first; then the row that is there has no value for the new column.
    const failing = `CREATE TABLE half (a INTEGER) STRICT;
      ${SCHEMA.replace('bytes BLOB NOT NULL', 'bytes BLOB NOT NULL, more TEXT NOT NULL')}`
    migrate(db)
    db.exec("INSERT INTO kept_keys VALUES ('log', x'01')")
    expect(() => migrate(db, failing, next)).toThrow(/NOT NULL/)
    const version = () => db.prepare('PRAGMA user_version').get()?.['user_version']
    const tables = () =>
      db
        .prepare("SELECT name FROM sqlite_schema WHERE name IN ('half', 'later')")
        .all()
        .map((row) => row['name'])
    expect([version(), tables()]).toEqual([SCHEMA_VERSION, []])
    migrate(db, added, next)
    migrate(db, added, next)
    expect([version(), tables()]).toEqual([next, ['later']])
    db.close()
  })
})
