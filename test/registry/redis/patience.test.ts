import { setImmediate } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createPatience } from '../../../src/registry/redis/link/patience.ts'

/** A look at the calls under way comes five times in 250 ms. */
const LOOK_MS = 50

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'performance'] }))
afterEach(() => void vi.useRealTimers())

function scene() {
  const patience = createPatience(250)
  const ended: string[] = []
  /** Begins a call; the function that is returned answers it. */
  function call(name: string): () => Promise<void> {
    const answer = Promise.withResolvers<string>()
    patience
      .within(() => answer.promise)
      .catch(({ message }: Error) => message)
      .then((end) => ended.push(`${name}: ${end}`))
    return () => {
      answer.resolve('answered')
      return setImmediate()
    }
  }
  async function looks(count: number): Promise<void> {
    for (let look = 0; look < count; look++) {
      vi.advanceTimersByTime(LOOK_MS)
      await setImmediate()
    }
  }
  return { ended, call, looks }
}

const refused = (name: string) => `${name}: no answer within 250 ms`

test('after 250 ms without any answer all calls are refused, and not before', async () => {
  const { ended, call, looks } = scene()
  for (const [one, other] of [
    ['first', 'second'],
    ['third', 'fourth'],
  ] as const) {
    await looks(100)
    call(one)
    await looks(2)
    call(other)
    await looks(2)
    expect(ended).toEqual([])
    await looks(1)
    expect(ended.splice(0)).toEqual([refused(one), refused(other)])
  }
})

test('the time begins anew with each answer', async () => {
  const { ended, call, looks } = scene()
  call('silent')
  const answer = call('answered')
  await looks(4)
  await answer()
  await looks(4)
  expect(ended.splice(0)).toEqual(['answered: answered'])
  await looks(1)
  expect(ended).toEqual([refused('silent')])
})

test('an answer that has come when the time is over, and is not read yet, counts', async () => {
  const { ended, call, looks } = scene()
  const answer = call('late')
  await looks(4)
  vi.advanceTimersByTime(LOOK_MS)
  await answer()
  expect(ended).toEqual(['late: answered'])
})
