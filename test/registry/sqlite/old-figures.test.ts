import { expect, it } from 'vitest'
import { createSqliteRegistry } from '../../../src/registry/sqlite.ts'
import { NOW } from '../../contracts/registry-fixtures.ts'

const DAY = 86_400
const counted = { mints: 1, refusals: {}, upstream: [], activeSessions: undefined }

it('new figures remove minutes of an hour ago, and five minutes of a day ago', async () => {
  const registry = createSqliteRegistry({ path: ':memory:' })
  for (const at of [NOW - DAY - 900, NOW - DAY, NOW - 3960, NOW - 3600, NOW]) {
    await registry.addFigures({ ...counted, instance: 'ins_1', at })
  }
  const intervals = async (seconds: 60 | 300) => {
    const found = await registry.readFigures({ seconds, from: NOW - 90_000, until: NOW + 300 })
    return found.map(({ at }) => at)
  }
  expect(await intervals(60)).toEqual([NOW - 3600, NOW])
  expect(await intervals(300)).toEqual([NOW - DAY, NOW - 4200, NOW - 3600, NOW])
  await registry.close()
})
