import { expect, test } from 'vitest'
import { startLagMeter } from '../../../src/http/server/event-loop-lag.ts'
import { handTiming } from '../../support/hand-timing.ts'

test('tells by how much each timer came late, until it is stopped', () => {
  const timing = handTiming()
  const seen: [number, number][] = []
  const stop = startLagMeter((lagMs, nowMs) => seen.push([lagMs, nowMs]), timing)
  timing.fire(20)
  timing.fire(75)
  timing.fire(20)
  expect(seen).toEqual([
    [0, 20],
    [55, 95],
    [0, 115],
  ])
  stop()
  expect(timing.pending()).toBe(false)
})

test('a timer that comes early is not late', () => {
  const timing = handTiming()
  const seen: number[] = []
  startLagMeter((lagMs) => seen.push(lagMs), timing)
  timing.fire(19.5)
  expect(seen).toEqual([0])
})

test('keeps no process alive', () => {
  const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length
  const before = timers()
  const stop = startLagMeter(() => undefined)
  expect(timers()).toBe(before)
  stop()
})
