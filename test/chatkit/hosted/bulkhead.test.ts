import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createPlaces } from '../../../src/chatkit/hosted/bulkhead.ts'
import { type Deadline, startDeadline } from '../../../src/lib/deadline.ts'

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
  const places = createPlaces({ places: 2, mostWaiting: 3, longestWait: 1000 })
  const ended: string[] = []
  const wait = (name: string) =>
    places.wait(deadline).then(
      () => ended.push(name),
      ({ code, retryAfterSeconds }) => ended.push(`${name} ${code} ${typeof retryAfterSeconds}`),
    )
  const settle = () => vi.advanceTimersByTimeAsync(0)
  return { places, ended, wait, settle }
}

test('so many are taken, and no more', () => {
  const { places } = scene()
  expect([places.take(), places.take(), places.take()]).toEqual([true, true, false])
  places.free()
  expect([places.take(), places.take()]).toEqual([true, false])
})

test('a place goes to the newest who waits, and to nobody who comes meanwhile', async () => {
  const { places, ended, wait, settle } = scene()
  places.take()
  places.take()
  for (const name of ['a', 'b', 'c']) void wait(name)
  places.free()
  expect(places.take()).toBe(false)
  await settle()
  expect(ended).toEqual(['c'])
  places.free()
  places.free()
  await settle()
  expect(ended).toEqual(['c', 'b', 'a'])
  expect(places.take()).toBe(false)
  for (let at = 0; at < 2; at++) places.free()
  expect([places.take(), places.take(), places.take()]).toEqual([true, true, false])
})

test('when too many wait, the oldest makes way', async () => {
  const { places, ended, wait, settle } = scene()
  places.take()
  places.take()
  for (const name of ['a', 'b', 'c', 'd']) void wait(name)
  await settle()
  expect(ended).toEqual(['a overloaded number'])
})

test('nobody waits for longer than is allowed, and no place is lost on them', async () => {
  const { places, ended, wait, settle } = scene()
  places.take()
  places.take()
  void wait('a')
  await vi.advanceTimersByTimeAsync(999)
  expect(ended).toEqual([])
  vi.advanceTimersByTime(1)
  // In the same turn: who is refused and not gone yet must not get it.
  places.free()
  await settle()
  expect(ended).toEqual(['a overloaded number'])
  expect(places.take()).toBe(true)
})

test('nor when their caller has left', async () => {
  const { places, ended, wait, settle } = scene()
  places.take()
  places.take()
  void wait('a')
  leave.abort()
  await settle()
  expect(ended).toEqual(['a overloaded number'])
  places.free()
  expect(places.take()).toBe(true)
})

test('leaves no timer behind', async () => {
  const { places, wait, settle } = scene()
  places.take()
  places.take()
  const before = vi.getTimerCount()
  void wait('a')
  expect(vi.getTimerCount()).toBe(before + 1)
  places.free()
  await settle()
  expect(vi.getTimerCount()).toBe(before)
})
