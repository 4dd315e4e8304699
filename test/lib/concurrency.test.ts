import { setImmediate } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { eachBounded } from '../../src/lib/concurrency.ts'

describe('eachBounded', () => {
  test('does every item once, in order, never more than the limit at a time', async () => {
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

  test('with nothing to do it resolves', async () => {
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
