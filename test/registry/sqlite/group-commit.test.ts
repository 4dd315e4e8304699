import { DatabaseSync } from 'node:sqlite'
import { expect, test } from 'vitest'
import { createDatabase } from '../../../src/registry/sqlite/database.ts'

// Writes of one turn of the event loop share a transaction, but do not affect each other.

function setUp() {
  const connection = new DatabaseSync(':memory:')
  connection.exec('CREATE TABLE t (n INTEGER NOT NULL UNIQUE) STRICT')
  const rows = () => connection.prepare('SELECT n FROM t ORDER BY n').all()
  return { db: createDatabase(connection), numbers: () => rows().map((row) => row['n']) }
}

test('only the write that fails is undone; the others of its group commit, and get their own results', async () => {
  const { db, numbers } = setUp()
  const insert = (n: number, fails = false) =>
    db.write((sql) => {
      sql('INSERT INTO t VALUES (?)').run(n)
      if (fails) throw new Error('this one')
      return n
    })
  const results = await Promise.allSettled([insert(1), insert(2, true), insert(3), insert(3)])
  expect(results.map((one) => (one.status === 'fulfilled' ? one.value : one.reason.code))).toEqual([
    1,
    'store_unavailable',
    3,
    'store_unavailable',
  ])
  expect(numbers()).toEqual([1, 3])
})

test('a failure that rolls back the whole transaction fails no other write', async () => {
  const { db, numbers } = setUp()
  const insert = (n: number) => db.write((sql) => sql('INSERT INTO t VALUES (?)').run(n))
  // As SQLite does by itself after a full disk or an I/O error.
  const fatal = db.write((sql) => sql('INSERT OR ROLLBACK INTO t VALUES (1), (1)').run())
  const results = await Promise.allSettled([insert(1), fatal, insert(2)])
  expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
  expect(numbers()).toEqual([1, 2])
})

test('each write of a group sees the writes before it', async () => {
  const { db } = setUp()
  const count = () =>
    db.write((sql) => {
      sql('INSERT INTO t SELECT coalesce(max(n), 0) + 1 FROM t').run()
      return sql('SELECT count(*) AS n FROM t').get()?.['n']
    })
  expect(await Promise.all(Array.from({ length: 100 }, count))).toEqual(
    Array.from({ length: 100 }, (_, at) => at + 1),
  )
})

test('a group waits for the disk when one of its writes must not be lost, and only then', async () => {
  const { db } = setUp()
  const FULL = 2
  const NORMAL = 1
  type Work = Parameters<typeof db.write>[0]
  const mode: Work = (sql) => sql('PRAGMA synchronous').get()?.['synchronous']
  expect(await db.writeUnsynced(mode)).toBe(NORMAL)
  expect(await db.write(mode)).toBe(FULL)
  expect(await Promise.all([db.writeUnsynced(mode), db.write(mode)])).toEqual([FULL, FULL])
  expect(await Promise.all([db.writeUnsynced(mode), db.writeUnsynced(mode)])).toEqual([
    NORMAL,
    NORMAL,
  ])
})

test('a write that must not be lost waits for the disk when its group fails, too', async () => {
  const { db } = setUp()
  const modes: unknown[] = []
  const note = (sql: Parameters<Parameters<typeof db.write>[0]>[0]) => {
    modes.push(sql('PRAGMA synchronous').get()?.['synchronous'])
  }
  const failing = db.writeUnsynced((sql) => {
    note(sql)
    throw new Error('this one')
  })
  await Promise.allSettled([failing, db.write(note)])
  expect(modes).toEqual([2, 1, 2])
})
