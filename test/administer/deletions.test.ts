import { expect, test } from 'vitest'
import { type Deletable, deleteAll } from '../../src/administer/deletions.ts'
import { ServiceError } from '../../src/lib/errors.ts'

const refused = (code: 'invalid_request' | 'upstream_unavailable') =>
  new ServiceError(code, { reason: 'planted' })
const idsOf = (count: number) => Array.from({ length: count }, (_, at) => `thr_${at}`)

/** A list of so many things in pages of 100, and what was asked of it; `fails` says which cannot be deleted. */
function scene(count: number, fails: (id: string) => boolean = () => false) {
  const there = new Set(idsOf(count))
  const asked = { lists: 0, tried: [] as string[], deleted: 0, failed: [] as string[] }
  const things: Deletable = {
    async list(after) {
      // One that never ends must fail here.
      if (++asked.lists > 50) throw new Error('too many lists')
      const ids = [...there]
      const from = after === undefined ? 0 : ids.indexOf(after) + 1
      return { ids: ids.slice(from, from + 100), hasMore: ids.length > from + 100 }
    },
    async remove(id) {
      asked.tried.push(id)
      if (fails(id)) throw refused('upstream_unavailable')
      there.delete(id)
    },
  }
  const observer = {
    onDeleted() {
      asked.deleted++
    },
    onFailed: (id: string) => void asked.failed.push(id),
  }
  const run = (changes: Partial<Deletable> = {}) => deleteAll({ ...things, ...changes }, observer)
  return { things, asked, run }
}

test('a list whose cursor is gone is read again from its start', async () => {
  const { things, asked, run } = scene(250, (id) => id === 'thr_0')
  let refusals = 0
  await run({
    list(after) {
      if (after === undefined || ++refusals > 3) return things.list(after)
      return Promise.reject(refused('invalid_request'))
    },
  })
  expect([asked.deleted, asked.failed]).toEqual([249, ['thr_0']])
})

test('a list that refuses each cursor is given up after ten times', async () => {
  let lists = 0
  const list = () => {
    lists++
    return Promise.reject(refused('invalid_request'))
  }
  await expect(scene(0).run({ list })).rejects.toMatchObject({ code: 'invalid_request' })
  expect(lists).toBe(11)
})

test('a source is given up after a hundred failures in a row, wherever in its list they come', async () => {
  const all = scene(1000, (id) => id !== 'thr_0')
  const list = async () => ({ ids: idsOf(1000), hasMore: false })
  await expect(all.run({ list })).rejects.toMatchObject({ code: 'upstream_unavailable' })
  expect(all.asked.tried.length).toBeLessThan(110)
})

test('more failures than that are counted one by one, as long as something is deleted between them', async () => {
  const { asked, run } = scene(400, (id) => !id.endsWith('0'))
  await run()
  expect([asked.deleted, asked.failed.length]).toEqual([40, 360])
})

test('a list that ignores its cursor, and a thing on it that cannot be deleted, is not read for ever', async () => {
  const { asked, things, run } = scene(1, () => true)
  await run({ list: () => things.list(undefined) })
  expect([asked.tried, asked.failed]).toEqual([['thr_0'], ['thr_0']])
})
