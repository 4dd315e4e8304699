import { beforeEach, describe, expect, test } from 'vitest'
import {
  BreakerOpenError,
  type CallOutcome,
  createBreaker,
} from '../../../src/chatkit/hosted/breaker.ts'

let now: number
let breaker: ReturnType<typeof createBreaker>
beforeEach(() => {
  now = 5_000_000
  breaker = createBreaker(() => now)
})

function call(...outcomes: CallOutcome[]): void {
  for (const outcome of outcomes) breaker.report(breaker.enter(), outcome)
}
const times = (count: number, outcome: CallOutcome): CallOutcome[] =>
  Array.from({ length: count }, () => outcome)
const open = () => call(...times(20, 'failed'))

describe('the breaker opens', () => {
  test('at the 20th failed call, not at the 19th', () => {
    call(...times(19, 'failed'))
    expect(breaker.state()).toBe('closed')
    call('failed')
    expect(breaker.state()).toBe('open')
    expect(() => breaker.enter()).toThrow(BreakerOpenError)
  })

  test('when half have failed, not with one less', () => {
    call(...times(11, 'well'), ...times(9, 'failed'))
    expect(breaker.state()).toBe('closed')
    call(...times(1, 'failed'))
    expect(breaker.state()).toBe('closed')
    call('failed')
    expect(breaker.state()).toBe('open')
  })

  test('when half of many calls have failed: 1000 of 2000, not 999', () => {
    call(...times(1001, 'well'), ...times(999, 'failed'))
    expect(breaker.state()).toBe('closed')
    call('failed', 'failed')
    expect(breaker.state()).toBe('open')
  })

  test('only on calls of the last 10 s: two failures a minute never do it', () => {
    for (let minute = 0; minute < 60; minute++) {
      call('failed', 'failed')
      now += 61_000
    }
    call(...times(19, 'failed'))
    now += 11_000
    call(...times(19, 'failed'))
    expect(breaker.state()).toBe('closed')
  })

  test('on failures that are spread over those 10 s', () => {
    for (let second = 0; second < 10; second++) {
      expect(breaker.state()).toBe('closed')
      call('failed', 'failed')
      now += 1000
    }
    expect(breaker.state()).toBe('open')
  })

  test('never on calls whose caller left, which are not counted at all', () => {
    call(...times(1000, 'unknown'))
    call(...times(19, 'failed'))
    expect(breaker.state()).toBe('closed')
  })
})

describe('an open breaker', () => {
  beforeEach(open)

  test('lets nothing through for 2 s, then one probe', () => {
    now += 1999
    expect(() => breaker.enter()).toThrow(BreakerOpenError)
    now += 1
    breaker.enter()
    expect(breaker.state()).toBe('half_open')
    expect(() => breaker.enter()).toThrow(BreakerOpenError)
  })

  test('closes after a successful probe, and starts a new count', () => {
    now += 2000
    call('well')
    expect(breaker.state()).toBe('closed')
    call(...times(19, 'failed'))
    expect(breaker.state()).toBe('closed')
    call('failed')
    expect(breaker.state()).toBe('open')
  })

  test('stays open after a failed probe, and probes every 2 s', () => {
    for (let probe = 0; probe < 5; probe++) {
      now += 2000
      call('failed')
      expect(breaker.state()).toBe('open')
      expect(() => breaker.enter()).toThrow(BreakerOpenError)
    }
  })

  test('does not wait for a probe that hangs', () => {
    now += 2000
    const hanging = breaker.enter()
    now += 2000
    call('well')
    expect(breaker.state()).toBe('closed')
    breaker.report(hanging, 'failed')
    call(...times(19, 'failed'))
    expect(breaker.state()).toBe('closed')
  })

  test('makes the next call a probe when the caller of a probe has left', () => {
    now += 2000
    call('unknown')
    expect(breaker.state()).toBe('open')
    call('failed')
    expect(() => breaker.enter()).toThrow(BreakerOpenError)
  })

  test('ignores the outcome of calls that began before it opened or closed', () => {
    const fresh = createBreaker(() => now)
    const slow = times(40, 'failed').map(() => fresh.enter())
    for (const era of slow.slice(0, 20)) fresh.report(era, 'failed')
    expect(fresh.state()).toBe('open')
    fresh.report(slow[20] ?? Number.NaN, 'well')
    expect(fresh.state()).toBe('open')
    now += 2000
    fresh.report(fresh.enter(), 'well')
    for (const era of slow.slice(21)) fresh.report(era, 'failed')
    expect(fresh.state()).toBe('closed')
    fresh.report(fresh.enter(), 'failed')
    expect(fresh.state()).toBe('closed')
  })
})
