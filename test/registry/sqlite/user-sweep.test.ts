import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { createSqliteRegistry } from '../../../src/registry/sqlite.ts'
import { NOW } from '../../contracts/registry-fixtures.ts'
import { userId } from '../../support/ids.ts'
import { fillSqlite } from '../../support/registry/fill-sqlite.ts'
import { scratchFolder } from '../../support/scratch-folder.ts'

const DAY = 86_400
const nothing = { sessionsEndedBefore: 0, auditBefore: 0, usersSeenBefore: 0 }

function open() {
  const path = join(scratchFolder(), 'mint.db')
  const registry = createSqliteRegistry({ path })
  return { path, registry, db: new DatabaseSync(path) }
}

it('a sweep forgets the generations of users without sessions and blocks, and of no other, among thousands', async () => {
  const { path, registry, db } = open()
  fillSqlite(path, 5, NOW)
  const insert = db.prepare('INSERT INTO users (user, generation, changed_at) VALUES (?, 1, ?)')
  db.exec('BEGIN')
  for (let n = 0; n < 5000; n++) insert.run(`idle-${n}`, NOW - (n % 3))
  insert.run('blocked', NOW - 1)
  for (let n = 0; n < 1500; n++) insert.run(`recent-${n}`, NOW + 1)
  db.exec(
    `INSERT INTO blocks (user, until, by, created_at) VALUES ('blocked', ${NOW * 2}, 'ada', 1)`,
  )
  db.exec('COMMIT')
  await registry.sweep({ ...nothing, now: NOW + DAY + 1 })
  const left = db.prepare('SELECT user FROM users ORDER BY user').all()
  const names = left.map(({ user }) => String(user))
  expect(names.filter((name) => !name.startsWith('recent'))).toEqual(['blocked', 'other-0'])
  expect(names).toHaveLength(2 + 1500)
  db.close()
  await registry.close()
})

it('a sweep lets others have turns while it looks at thousands of users who all stay', async () => {
  const { path, registry, db } = open()
  const sweepTurns = async () => {
    let turns = 0
    let over = false
    const swept = registry.sweep({ ...nothing, now: NOW + DAY + 1 }).then(() => {
      over = true
    })
    for (; !over; turns++) await nextTurn()
    await swept
    return turns
  }
  const without = await sweepTurns()
  fillSqlite(path, 5 * 5000, NOW)
  expect((await sweepTurns()) - without).toBeGreaterThanOrEqual(4)
  db.close()
  await registry.close()
})

it('a sweep keeps a generation for a day after the last revoke', async () => {
  const { registry, db } = open()
  const user = userId('alice')
  const revoke = (now: number) => registry.revoke({ user, endReason: 'revoked', by: 'ada', now })
  await revoke(NOW)
  await revoke(NOW + DAY)
  const generations = async (now: number) => {
    await registry.sweep({ ...nothing, now })
    return db.prepare('SELECT generation FROM users').all()
  }
  expect(await generations(NOW + DAY + 1)).toEqual([{ generation: 2 }])
  expect(await generations(NOW + 2 * DAY + 1)).toEqual([])
  db.close()
  await registry.close()
})
