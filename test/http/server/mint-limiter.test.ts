import { describe, expect, test, vi } from 'vitest'
import { createMintLimiter, startLagMeter } from '../../../src/http/server/mint-pacing.ts'
import { handTiming } from '../../support/hand-timing.ts'

const FULL = 60

function scene() {
  const limiter = createMintLimiter()
  let now = 0
  /** Takes `count` samples, spaced as such a lag spaces them. */
  const samples = (count: number, lagMs: number) => {
    for (let at = 0; at < count; at++) {
      now += 20 + lagMs
      limiter.sample(lagMs, now)
    }
  }
  const enter = (count: number) =>
    Array.from({ length: count }, () => limiter.enter()).filter(Boolean).length
  const leave = (count: number) => {
    for (let at = 0; at < count; at++) limiter.leave()
  }
  return { limiter, samples, enter, leave }
}

describe('mints are let in', () => {
  test('in any number while the loop is on time', () => {
    const { samples, enter, limiter } = scene()
    samples(100, 24)
    expect(enter(5000)).toBe(5000)
    expect(limiter.underWay()).toBe(5000)
  })

  test('although the loop is late for short moments, again and again', () => {
    const { samples, enter } = scene()
    enter(500)
    for (let pause = 0; pause < 20; pause++) {
      samples(1, 400)
      samples(1, 0)
    }
    samples(3, 26)
    samples(1, 0)
    expect(enter(500)).toBe(500)
  })

  test('up to 256 in any case', () => {
    const { samples, enter } = scene()
    samples(200, 1000)
    expect(enter(300)).toBe(256)
  })
})

describe('when the loop stays late', () => {
  test('the limit falls below what is under way, and further while it is still late', () => {
    const { samples, enter, leave, limiter } = scene()
    enter(1000)
    samples(3, FULL)
    const limit = limiter.limit()
    expect(limit).toBeLessThan(1000)
    expect(enter(10)).toBe(0)
    leave(1000 - limit)
    samples(4, FULL)
    expect(limiter.limit()).toBeLessThan(limit)
  })

  test('it falls in proportion to the delay, and never to nothing in one step', () => {
    const limitAfter = (lagMs: number) => {
      const { samples, enter, limiter } = scene()
      enter(1000)
      samples(2, lagMs)
      return limiter.limit()
    }
    expect(limitAfter(80)).toBe(312)
    expect(limitAfter(10_000)).toBe(300)
  })

  test('each mint that leaves makes room for one more', () => {
    const { samples, enter, leave, limiter } = scene()
    enter(1000)
    samples(10, FULL)
    leave(1000 - limiter.limit())
    expect(enter(1)).toBe(0)
    leave(3)
    expect(enter(10)).toBe(3)
  })

  test('and is on time because mints are refused, the limit grows by one at a time', () => {
    const { samples, enter, limiter } = scene()
    enter(1000)
    samples(50, FULL)
    for (let at = 0; at < 50; at++) {
      expect(enter(1)).toBe(0)
      samples(1, 0)
    }
    expect(limiter.limit()).toBe(256 + 50)
  })

  test('and is on time again, there is no limit two seconds later', () => {
    const { samples, enter, limiter } = scene()
    enter(1000)
    samples(50, FULL)
    expect([limiter.limit(), enter(1)]).toEqual([256, 0])
    samples(100, 0)
    expect(limiter.limit()).toBe(Number.POSITIVE_INFINITY)
  })
})

test('another measurement is needed while a mint is under way, the loop is late, or there is a limit', () => {
  const limiter = createMintLimiter()
  const needed = (lagMs: number, count = 1) =>
    Array.from({ length: count }, (_, at) => limiter.sample(lagMs, at * 100)).at(-1)
  expect(needed(0)).toBe(false)
  limiter.enter()
  expect(needed(0)).toBe(true)
  limiter.leave()
  expect(needed(50)).toBe(true)
  expect(needed(0)).toBe(false)
  for (let mint = 0; mint < 300; mint++) limiter.enter()
  needed(50, 5)
  for (let mint = 0; mint < 300; mint++) limiter.leave()
  expect(needed(0)).toBe(true)
  expect(needed(0, 100)).toBe(false)
})

test('the lag meter reports how late each timer ran, until it is stopped', () => {
  const timing = handTiming()
  const seen: [number, number][] = []
  const timer = startLagMeter((lagMs, nowMs) => seen.push([lagMs, nowMs]))
  timing.fire(20)
  timing.fire(75)
  timing.fire(20)
  expect(seen).toEqual([
    [0, 20],
    [55, 95],
    [0, 115],
  ])
  clearInterval(timer)
  expect(vi.getTimerCount()).toBe(0)
})

test('the lag of a timer that comes early is 0', () => {
  const timing = handTiming()
  const seen: number[] = []
  startLagMeter((lagMs) => seen.push(lagMs))
  timing.fire(19.5)
  expect(seen).toEqual([0])
})

test('the lag meter keeps no process alive', () => {
  const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length
  const before = timers()
  const timer = startLagMeter(() => undefined)
  expect(timers()).toBe(before)
  clearInterval(timer)
})
