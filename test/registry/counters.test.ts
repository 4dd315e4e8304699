import { expect, test } from 'vitest'
import { createCounters } from '../../src/registry/counters.ts'

const SECONDS = 60

test('beyond the limit of windows the oldest is forgotten, and the others go on counting', () => {
  const consume = createCounters(3)
  const used = (key: string, nowMs = 0) => consume(key, { seconds: SECONDS, nowMs }).used
  for (const key of ['a', 'b', 'c']) expect(used(key)).toBe(1)
  expect(used('d')).toBe(1)
  expect([used('b'), used('c'), used('d')]).toEqual([2, 2, 2])
  // 'a' was forgotten; counting it anew removes the next oldest window.
  expect(used('a')).toBe(1)
  expect(used('b')).toBe(1)
})

test('a long window that runs outlives any number of short ones, of which few run at a time', () => {
  const consume = createCounters(3)
  const failures = (nowMs: number) => consume('failures', { seconds: 3600, nowMs }).used
  expect(failures(0)).toBe(1)
  for (let at = 1; at <= 10; at++) consume(`reads-${at}`, { seconds: SECONDS, nowMs: at * 60_000 })
  expect(failures(660_000)).toBe(2)
})

test('a window that is over begins anew, and is then the youngest', () => {
  const consume = createCounters(2)
  const used = (key: string, nowMs: number) => consume(key, { seconds: SECONDS, nowMs }).used
  used('a', 0)
  used('b', 30_000)
  expect(used('a', 60_000)).toBe(1)
  expect(used('c', 60_000)).toBe(1)
  expect(used('a', 60_000)).toBe(2)
})

test('a window ends one length later at the latest when the clock is set back', () => {
  const consume = createCounters()
  const at = (nowMs: number) => consume('a', { seconds: SECONDS, nowMs })
  for (let uses = 0; uses < 3; uses++) at(3_600_000)
  expect(at(0)).toMatchObject({ used: 4, resetMs: 60_000 })
  expect(at(60_000).used).toBe(1)
})

test('a window begins with its first use and does not slide', () => {
  const consume = createCounters()
  const at = (nowMs: number) => consume('a', { seconds: SECONDS, nowMs })
  expect(at(5)).toEqual({ used: 1, resetMs: 60_000 })
  expect(at(60_004)).toEqual({ used: 2, resetMs: 1 })
  expect(at(60_005)).toEqual({ used: 1, resetMs: 60_000 })
})
