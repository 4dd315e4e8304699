import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, it } from 'vitest'
import { createSqliteRegistry } from '../../../src/registry/sqlite.ts'
import { NOW } from '../../contracts/registry-fixtures.ts'
import { scratchFolder } from '../../support/scratch-folder.ts'

it('a sweep drops the windows that are over, and no other, among thousands', async () => {
  const path = join(scratchFolder(), 'mint.db')
  const registry = createSqliteRegistry({ path })
  const nowMs = NOW * 1000
  const db = new DatabaseSync(path)
  const insert = db.prepare('INSERT INTO counters VALUES (?, 1, ?)')
  db.exec('BEGIN')
  for (let n = 0; n < 5000; n++) insert.run(`mints:u${n}`, n % 3 === 0 ? nowMs + 1 : nowMs)
  db.exec('COMMIT')
  const ended = { sessionsEndedBefore: 0, auditBefore: 0, usersSeenBefore: 0 }
  await registry.sweep({ ...ended, now: NOW })
  const left = db.prepare('SELECT count(*) AS n, min(ends_ms) AS first FROM counters').get()
  expect(left).toEqual({ n: 1667, first: nowMs + 1 })
  await registry.sweep({ ...ended, now: NOW + 1 })
  expect(db.prepare('SELECT * FROM counters').all()).toEqual([])
  db.close()
  await registry.close()
})
