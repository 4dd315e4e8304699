import fs, { copyFileSync, type NoParamCallback, readlinkSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { createDatabase } from '../../../src/registry/sqlite/database.ts'
import { createLogSync } from '../../../src/registry/sqlite/log-sync.ts'
import { entry, order } from '../../contracts/registry-fixtures.ts'
import { sqliteFile } from '../../support/registry/sqlite-file.ts'

// A write is not answered before the disk has it, and the disk stops nobody else.

const TURNS = 20

/** A disk whose syncs end when the test says so. */
function setUp() {
  const syncs: PromiseWithResolvers<void>[] = []
  const copy = vi.fn<() => void>()
  const sync = () => {
    const one = Promise.withResolvers<void>()
    syncs.push(one)
    return one.promise
  }
  const connection = new DatabaseSync(':memory:')
  connection.exec('CREATE TABLE t (n INTEGER PRIMARY KEY) STRICT')
  const db = createDatabase(connection, createLogSync({ sync, copy }))
  const answered: string[] = []
  const note = (name: string) => (): void => void answered.push(name)
  const insert = (n: number) => (sql: Parameters<Parameters<typeof db.write>[0]>[0]) =>
    sql.run('INSERT INTO t VALUES (?)', n)
  const write = (n: number) =>
    db.write(insert(n)).then(note(`${n}`), (error) => note(`${n} ${error.code}`)())
  const unsynced = (n: number) => db.writeUnsynced(insert(n)).then(note(`${n}`))
  return { db, syncs, copy, answered, write, unsynced }
}

async function turns(): Promise<void> {
  for (let at = 0; at < TURNS; at++) await new Promise(setImmediate)
}

describe('a write to a file of SQLite', () => {
  test('is answered when the disk has it, and what may be lost at once', async () => {
    const { syncs, answered, write, unsynced } = setUp()
    void write(1)
    void unsynced(2)
    await turns()
    expect(answered).toEqual(['2'])
    syncs[0]?.resolve()
    await turns()
    expect(answered).toEqual(['2', '1'])
    expect(syncs).toHaveLength(1)
  })

  test('is seen by reads before the disk has it, and by the writes behind it', async () => {
    const { db, syncs, answered, write } = setUp()
    void write(1)
    await turns()
    const count = () => db.plain((sql) => sql.get('SELECT count(*) AS n FROM t')?.['n'])
    expect(await count()).toBe(1)
    void write(2)
    await turns()
    expect(await count()).toBe(2)
    expect(answered).toEqual([])
    expect(syncs).toHaveLength(1)
  })

  test('is not served by a sync that began before its commit; one sync serves all who wait', async () => {
    const { syncs, answered, write } = setUp()
    void write(1)
    await turns()
    for (const n of [2, 3, 4]) {
      void write(n)
      await turns()
    }
    syncs[0]?.resolve()
    await turns()
    expect(answered).toEqual(['1'])
    expect(syncs).toHaveLength(2)
    syncs[1]?.resolve()
    await turns()
    expect(answered).toEqual(['1', '2', '3', '4'])
    expect(syncs).toHaveLength(2)
  })

  test('fails when the disk fails, and so does nothing else', async () => {
    const { db, syncs, answered, write, unsynced } = setUp()
    void write(1)
    void unsynced(2)
    await turns()
    syncs[0]?.reject(Object.assign(new Error('i/o error'), { code: 'EIO' }))
    await turns()
    expect(answered).toEqual(['2', '1 store_unavailable'])
    expect(await db.plain((sql) => sql.get('SELECT count(*) AS n FROM t')?.['n'])).toBe(2)
  })

  test('after a failed sync is answered only when the whole log was copied', async () => {
    const { syncs, copy, answered, write } = setUp()
    copy.mockImplementationOnce(() => {
      throw new Error('i/o error')
    })
    void write(1)
    await turns()
    syncs[0]?.reject(new Error('i/o error'))
    await turns()
    // The sync of Linux would succeed now, without the pages that it lost.
    await write(2)
    expect(answered).toEqual(['1 store_unavailable', '2 store_unavailable'])
    await write(3)
    expect(answered.at(-1)).toBe('3')
    expect(copy).toHaveBeenCalledTimes(2)
    expect(syncs).toHaveLength(1)
    void write(4)
    await turns()
    expect(syncs).toHaveLength(2)
    syncs[1]?.resolve()
    await turns()
    expect(answered.at(-1)).toBe('4')
  })

  test('waits for the next sync when the one before it fails', async () => {
    const { syncs, copy, answered, write } = setUp()
    void write(1)
    await turns()
    void write(2)
    await turns()
    syncs[0]?.reject(new Error('i/o error'))
    await turns()
    expect(answered).toEqual(['1 store_unavailable', '2'])
    expect(copy).toHaveBeenCalledTimes(1)
  })
})

describe('a disk that hangs', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  test('makes writes fail after three seconds, and reads not at all', async () => {
    const { db, syncs, answered, write } = setUp()
    void write(1)
    await turns()
    vi.advanceTimersByTime(2999)
    await turns()
    expect(answered).toEqual([])
    vi.advanceTimersByTime(1)
    await turns()
    expect(answered).toEqual(['1 store_unavailable'])
    expect(await db.plain((sql) => sql.get('SELECT count(*) AS n FROM t')?.['n'])).toBe(1)
    syncs[0]?.resolve()
    await turns()
    void write(2)
    await turns()
    syncs[1]?.resolve()
    await turns()
    expect(answered.at(-1)).toBe('2')
  })
})

describe('the registry in a file', () => {
  const file = sqliteFile()
  const fdatasync = vi.spyOn(fs, 'fdatasync')
  beforeAll(syncBuiltinESMExports)
  afterEach(() => {
    fdatasync.mockClear()
  })
  afterAll(() => {
    fdatasync.mockRestore()
    syncBuiltinESMExports()
  })

  test('answers what it must not lose after a sync of its log, and counts without one', async () => {
    const registry = file.open()
    const happened: string[] = []
    const { promise, resolve } = Promise.withResolvers<NoParamCallback>()
    fdatasync.mockImplementationOnce((descriptor, done) => {
      happened.push(readlinkSync(`/proc/self/fd/${descriptor}`))
      resolve(done)
    })
    const recorded = registry.record(entry({ id: 's1' })).then(() => happened.push('recorded'))
    const done = await promise
    await registry.consume('key', { max: 1, seconds: 60, nowMs: 0 })
    happened.push('counted')
    done(null)
    await recorded
    expect(happened).toEqual([`${file.path}-wal`, 'counted', 'recorded'])
    expect(fdatasync).toHaveBeenCalledTimes(1)
  })

  test('refuses a revoke that the disk has not confirmed, and brings it to the disk when repeated', async () => {
    const registry = file.open()
    await registry.record(entry({ id: 's1' }))
    fdatasync.mockImplementationOnce((_, done) =>
      done(Object.assign(new Error('EIO: i/o error, fdatasync'), { code: 'EIO' })),
    )
    const revoke = () => registry.revoke(order({ endReason: 'revoked' }))
    await expect(revoke()).rejects.toMatchObject({ code: 'store_unavailable' })
    fdatasync.mockClear()
    expect(await revoke()).toMatchObject({ cancelling: [{ id: 's1' }] })
    // The file has it without its log, whose pages the disk may have lost.
    expect(fdatasync).not.toHaveBeenCalled()
    copyFileSync(file.path, `${file.path}.copy`)
    const copy = new DatabaseSync(`${file.path}.copy`)
    expect(copy.prepare('SELECT id, status FROM sessions').all()).toEqual([
      { id: 's1', status: 'cancelling' },
    ])
    copy.close()
    await registry.record(entry({ id: 's2' }, { generation: 2 }))
    expect(fdatasync).toHaveBeenCalledTimes(1)
  })
})
