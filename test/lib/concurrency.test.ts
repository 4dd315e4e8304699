import { setImmediate } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { eachBounded, mapAhead } from '../../src/lib/concurrency.ts'

describe('eachBounded', () => {
  test('handles every item once, in order, never more than the limit at a time', async () => {
    const started: number[] = []
    let running = 0
    let most = 0
    await eachBounded([1, 2, 3, 4, 5, 6, 7], 3, async (item) => {
      started.push(item)
      most = Math.max(most, ++running)
      await setImmediate()
      running--
    })
    expect(started).toEqual([1, 2, 3, 4, 5, 6, 7])
    expect(most).toBe(3)
    expect(running).toBe(0)
  })

  test('resolves when there are no items', async () => {
    await eachBounded([], 3, () => expect.unreachable())
  })

  test('passes on a rejection, after everything has ended', async () => {
    const ended: number[] = []
    const work = async (item: number) => {
      if (item === 1) throw new Error('first')
      await setImmediate()
      ended.push(item)
    }
    await expect(eachBounded([1, 2, 3], 2, work)).rejects.toThrow('first')
    expect(ended).toEqual([2, 3])
  })
})

/** Work that ends when the test ends it. */
function heldWork() {
  const held = new Map<number, PromiseWithResolvers<string>>()
  const work = (item: number) => {
    const one = Promise.withResolvers<string>()
    held.set(item, one)
    return one.promise
  }
  const begun = () => [...held.keys()]
  const end = (item: number) => held.get(item)?.resolve(`r${item}`)
  const fail = (item: number) => held.get(item)?.reject(new Error(`f${item}`))
  return { work, begun, end, fail }
}

test('mapAhead yields results in order, and starts no more items in advance than allowed', async () => {
  const { work, begun, end } = heldWork()
  const results = mapAhead([1, 2, 3, 4, 5], 2, work)
  const first = results.next()
  expect(begun()).toEqual([1, 2])
  end(2)
  end(1)
  expect((await first).value).toBe('r1')
  expect(begun()).toEqual([1, 2])
  expect((await results.next()).value).toBe('r2')
  const third = results.next()
  expect(begun()).toEqual([1, 2, 3, 4])
  for (const item of [3, 4]) end(item)
  expect((await third).value).toBe('r3')
  expect((await results.next()).value).toBe('r4')
  const last = results.next()
  end(5)
  expect((await last).value).toBe('r5')
  expect((await results.next()).done).toBe(true)
})

test('mapAhead throws a failure when its turn comes, and ignores one after the reader has left', async () => {
  const { work, end, fail } = heldWork()
  const results = mapAhead([1, 2, 3], 3, work)
  const first = results.next()
  fail(2)
  fail(3)
  end(1)
  expect((await first).value).toBe('r1')
  await expect(results.next()).rejects.toThrow('f2')
  expect((await results.next()).done).toBe(true)
})

test('mapAhead yields nothing when there are no items', async () => {
  expect(await Array.fromAsync(mapAhead([], 2, async () => 1))).toEqual([])
})
