import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createBulkhead } from '../../src/chatkit/bulkhead.ts'
import { type Deadline, startDeadline } from '../../src/lib/deadline.ts'

let deadline: Deadline
let leave: AbortController
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  leave = new AbortController()
  deadline = startDeadline(8000, leave.signal)
})
afterEach(() => {
  deadline.stop()
  vi.useRealTimers()
})

function scene() {
  const bulkhead = createBulkhead({ slots: 2, mostWaiting: 3, longestWait: 1000 })
  const ended: string[] = []
  const wait = (name: string) =>
    bulkhead.wait(deadline).then(
      () => ended.push(name),
      ({ code, retryAfterSeconds }) => ended.push(`${name} ${code} ${typeof retryAfterSeconds}`),
    )
  const settle = () => vi.advanceTimersByTimeAsync(0)
  return { bulkhead, ended, wait, settle }
}

test('every slot can be taken, and no more than there are', () => {
  const { bulkhead } = scene()
  expect([bulkhead.take(), bulkhead.take(), bulkhead.take()]).toEqual([true, true, false])
  bulkhead.free()
  expect([bulkhead.take(), bulkhead.take()]).toEqual([true, false])
})

test('a free slot goes to the newest waiting call, not to one that arrives meanwhile', async () => {
  const { bulkhead, ended, wait, settle } = scene()
  bulkhead.take()
  bulkhead.take()
  for (const name of ['a', 'b', 'c']) void wait(name)
  bulkhead.free()
  expect(bulkhead.take()).toBe(false)
  await settle()
  expect(ended).toEqual(['c'])
  bulkhead.free()
  bulkhead.free()
  await settle()
  expect(ended).toEqual(['c', 'b', 'a'])
  expect(bulkhead.take()).toBe(false)
  for (let at = 0; at < 2; at++) bulkhead.free()
  expect([bulkhead.take(), bulkhead.take(), bulkhead.take()]).toEqual([true, true, false])
})

test('the oldest call is refused when too many wait', async () => {
  const { bulkhead, ended, wait, settle } = scene()
  bulkhead.take()
  bulkhead.take()
  for (const name of ['a', 'b', 'c', 'd']) void wait(name)
  await settle()
  expect(ended).toEqual(['a overloaded number'])
})

test('a call that has waited for the longest time allowed is refused, and takes no slot', async () => {
  const { bulkhead, ended, wait, settle } = scene()
  bulkhead.take()
  bulkhead.take()
  void wait('a')
  await vi.advanceTimersByTimeAsync(999)
  expect(ended).toEqual([])
  vi.advanceTimersByTime(1)
  // In the same turn: a call that was refused but has not left yet must not get the slot.
  bulkhead.free()
  await settle()
  expect(ended).toEqual(['a overloaded number'])
  expect(bulkhead.take()).toBe(true)
})

test('a call whose caller has left is refused, and takes no slot', async () => {
  const { bulkhead, ended, wait, settle } = scene()
  bulkhead.take()
  bulkhead.take()
  void wait('a')
  leave.abort()
  await settle()
  expect(ended).toEqual(['a overloaded number'])
  bulkhead.free()
  expect(bulkhead.take()).toBe(true)
})

test('a call that got its slot leaves no timer behind', async () => {
  const { bulkhead, wait, settle } = scene()
  bulkhead.take()
  bulkhead.take()
  const before = vi.getTimerCount()
  void wait('a')
  expect(vi.getTimerCount()).toBe(before + 1)
  bulkhead.free()
  await settle()
  expect(vi.getTimerCount()).toBe(before)
})
