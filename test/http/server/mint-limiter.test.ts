import { describe, expect, test } from 'vitest'
import { createAdmission } from '../../../src/http/server/mint-limiter.ts'

const FULL = 60

function scene() {
  const admission = createAdmission()
  let now = 0
  /** So many samples, as far apart as such a lag puts them. */
  const samples = (count: number, lagMs: number) => {
    for (let at = 0; at < count; at++) {
      now += 20 + lagMs
      admission.sample(lagMs, now)
    }
  }
  const enter = (count: number) =>
    Array.from({ length: count }, () => admission.enter()).filter(Boolean).length
  const leave = (count: number) => {
    for (let at = 0; at < count; at++) admission.leave()
  }
  return { admission, samples, enter, leave }
}

describe('mints are let in', () => {
  test('however many there are, while the loop is on time', () => {
    const { samples, enter, admission } = scene()
    samples(100, 24)
    expect(enter(5000)).toBe(5000)
    expect(admission.underWay()).toBe(5000)
  })

  test('although the loop is late for a moment, again and again', () => {
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

  test('256 of them always', () => {
    const { samples, enter } = scene()
    samples(200, 1000)
    expect(enter(300)).toBe(256)
  })
})

describe('when the loop stays late', () => {
  test('the limit falls below what is under way, and further while it is still late', () => {
    const { samples, enter, leave, admission } = scene()
    enter(1000)
    samples(3, FULL)
    const limit = admission.limit()
    expect(limit).toBeLessThan(1000)
    expect(enter(10)).toBe(0)
    leave(1000 - limit)
    samples(4, FULL)
    expect(admission.limit()).toBeLessThan(limit)
  })

  test('in proportion to the delay, and not to nothing at one step', () => {
    const limitAfter = (lagMs: number) => {
      const { samples, enter, admission } = scene()
      enter(1000)
      samples(2, lagMs)
      return admission.limit()
    }
    expect(limitAfter(80)).toBe(312)
    expect(limitAfter(10_000)).toBe(300)
  })

  test('who leaves makes room for one more', () => {
    const { samples, enter, leave, admission } = scene()
    enter(1000)
    samples(10, FULL)
    leave(1000 - admission.limit())
    expect(enter(1)).toBe(0)
    leave(3)
    expect(enter(10)).toBe(3)
  })

  test('and is on time because mints are refused, the limit grows by one at a time', () => {
    const { samples, enter, admission } = scene()
    enter(1000)
    samples(50, FULL)
    for (let at = 0; at < 50; at++) {
      expect(enter(1)).toBe(0)
      samples(1, 0)
    }
    expect(admission.limit()).toBe(256 + 50)
  })

  test('and is on time again, there is no limit two seconds later', () => {
    const { samples, enter, admission } = scene()
    enter(1000)
    samples(50, FULL)
    expect(admission.limit()).toBe(256)
    samples(100, 0)
    expect(admission.limit()).toBe(Number.POSITIVE_INFINITY)
  })
})
