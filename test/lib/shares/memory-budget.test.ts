import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { createMemoryBudget } from '../../../src/lib/shares/memory-budget.ts'

const KIB = 1024
const budget = (memoryBytes = 1000, userMemoryBytes = 400) =>
  createMemoryBudget({ memoryBytes, userMemoryBytes })
const OVERLOADED = expect.objectContaining({ code: 'overloaded' })

describe('memory', () => {
  test('is limited for one user and for all together, and free again when released', () => {
    const { memoryFor } = budget()
    const held = ['a', 'b'].map((user) => memoryFor(user))
    for (const one of held) one.hold(400)
    expect(() => memoryFor('a').hold(1)).toThrow(OVERLOADED)
    expect(() => memoryFor('c').hold(201)).toThrow(OVERLOADED)
    const third = memoryFor('c')
    third.hold(200)
    held[0]?.release()
    held[0]?.release()
    third.hold(400)
    expect(() => memoryFor('b').hold(1)).toThrow(OVERLOADED)
    memoryFor('a').hold(200)
    expect(() => memoryFor('d').hold(1)).toThrow(OVERLOADED)
  })

  test('is not counted any more once it was released', () => {
    const { memoryFor } = budget()
    const left = memoryFor('a')
    left.hold(100)
    left.release()
    left.hold(300)
    memoryFor('a').hold(400)
  })

  test('is counted once while a body grows, by its size or by what was added', () => {
    const { memoryFor } = budget()
    const body = memoryFor('a')
    for (const bytes of [100, 200, 250]) body.hold(bytes)
    for (const more of [100, -50, 50]) body.holdMore(more)
    expect(() => body.holdMore(51)).toThrow(OVERLOADED)
    memoryFor('a').hold(50)
    body.release()
    expect(() => memoryFor('a').hold(351)).toThrow(OVERLOADED)
    memoryFor('a').hold(350)
  })

  test('that was refused is not counted', () => {
    const { memoryFor } = budget()
    const one = memoryFor('a')
    one.hold(300)
    expect(() => one.hold(500)).toThrow(OVERLOADED)
    memoryFor('a').hold(100)
  })
})

describe('work on what is large', () => {
  const holding = (user: string, bytes: number, from = budget(1e9, 1e9)) => {
    const memory = from.memoryFor(user)
    memory.hold(bytes)
    return memory
  }
  const spin = (milliseconds: number) => {
    const until = performance.now() + milliseconds
    while (performance.now() < until);
  }

  test('of one user waits nine times as long as the work before took', async () => {
    const from = budget(1e9, 1e9)
    const times: number[] = []
    const works = [1, 2, 3].map(() =>
      holding('a', 17 * KIB, from).work(() => {
        times.push(performance.now())
        spin(10)
      }),
    )
    await Promise.all(works)
    for (const at of [1, 2]) {
      expect((times[at] ?? 0) - (times[at - 1] ?? 0)).toBeGreaterThanOrEqual(95)
    }
  })

  test('rests only for the time since it began, when it had to wait for something else', async () => {
    const from = budget(1e9, 1e9)
    const order: string[] = []
    const late = holding('a', 17 * KIB, from).work(async (begins) => {
      await new Promise((resolve) => setTimeout(resolve, 200))
      begins()
    })
    await late
    const next = holding('a', 17 * KIB, from).work(() => order.push('next'))
    const pause = new Promise((resolve) => setTimeout(resolve, 900)).then(() => order.push('pause'))
    await Promise.all([next, pause])
    expect(order).toEqual(['next', 'pause'])
  })

  test('of another user does not wait, and neither does work on little', async () => {
    const from = budget(1e9, 1e9)
    const order: string[] = []
    const work = (name: string, user: string, bytes: number) =>
      holding(user, bytes, from).work(() => {
        order.push(name)
        spin(20)
      })
    await work('first', 'a', 17 * KIB)
    await Promise.all([
      work('second', 'a', 17 * KIB),
      work('another', 'b', 17 * KIB),
      work('small', 'a', 16 * KIB),
    ])
    expect(order.slice(0, 3).sort()).toEqual(['another', 'first', 'small'])
    expect(order.at(-1)).toBe('second')
  })

  test('of many users takes half of the time after a first burst', async () => {
    const from = budget(1e9, 1e9)
    const began = performance.now()
    const users = Array.from({ length: 12 }, (_, at) => `user ${at}`)
    await Promise.all(users.map((user) => holding(user, 17 * KIB, from).work(() => spin(100))))
    // 12 runs, and a rest before each of the last 6 at least.
    expect(performance.now() - began).toBeGreaterThanOrEqual(1200 + 6 * 95)
  })

  test('of many users takes half of the time where one run waits for the other, too', async () => {
    const from = budget(1e9, 1e9)
    let last: Promise<unknown> = Promise.resolve()
    const began = performance.now()
    const users = Array.from({ length: 12 }, (_, at) => `user ${at}`)
    const works = users.map((user) =>
      holding(user, 17 * KIB, from).work((begin) => {
        last = last.then(begin).then(() => spin(100))
        return last
      }),
    )
    await Promise.all(works)
    expect(performance.now() - began).toBeGreaterThanOrEqual(1200 + 6 * 95)
  })

  test('of many users that waits for something else at the same time counts once', async () => {
    const from = budget(1e9, 1e9)
    const users = Array.from({ length: 20 }, (_, at) => `user ${at}`)
    await Promise.all(users.map((user) => holding(user, 17 * KIB, from).work(() => sleep(100))))
    const order: string[] = []
    const pause = sleep(300).then(() => order.push('pause'))
    const late = holding('late', 17 * KIB, from).work(() => order.push('late'))
    await Promise.all([pause, late])
    expect(order).toEqual(['late', 'pause'])
  })

  test('that fails, or is asynchronous, counts like any other', async () => {
    const from = budget(1e9, 1e9)
    const failing = holding('a', 17 * KIB, from).work(async () => {
      await sleep(20)
      throw new Error('planted')
    })
    await expect(failing).rejects.toThrow('planted')
    const began = performance.now()
    expect(await holding('a', 17 * KIB, from).work(() => 'done')).toBe('done')
    expect(performance.now() - began).toBeGreaterThanOrEqual(150)
  })
})

describe('checks of streams', () => {
  const spin = (milliseconds: number) => {
    const until = performance.now() + milliseconds
    while (performance.now() < until);
  }

  test('of one user take a tenth of the time after a first burst, and those of another go on', async () => {
    const { checkPart } = budget()
    const began = performance.now()
    let worked = 0
    const run = () => {
      spin(20)
      worked += 20
      return undefined
    }
    while (checkPart('a', run) === undefined) expect(worked).toBeLessThan(200)
    expect(checkPart('b', run)).toBe(undefined)
    await Promise.all([checkPart('a', run), checkPart('a', run)])
    expect(performance.now() - began).toBeGreaterThanOrEqual(worked * 9 - 500 - 2 * 180)
  })

  test('of one user count though more than a thousand others have had checks since', async () => {
    const { checkPart } = budget()
    const nothing = () => undefined
    const run = () => {
      spin(150)
      return undefined
    }
    expect(checkPart('a', run)).toBe(undefined)
    for (let at = 0; at < 1200; at++) expect(checkPart(`b${at}`, nothing)).toBe(undefined)
    const waits = checkPart('a', nothing)
    expect(waits).toBeInstanceOf(Promise)
    await waits
  })

  test('that fail count like any other, and their error arrives after the wait', async () => {
    const { checkPart } = budget()
    const run = () => {
      spin(60)
      throw new Error('planted')
    }
    expect(() => checkPart('a', run)).toThrow('planted')
    await expect(checkPart('a', run)).rejects.toThrow('planted')
  })
})
