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
function callAs(caller: string, ...outcomes: CallOutcome[]): void {
  for (const outcome of outcomes) breaker.report(breaker.enter(caller), outcome, caller)
}
const times = (count: number, outcome: CallOutcome): CallOutcome[] =>
  Array.from({ length: count }, () => outcome)
const open = () => call(...times(20, 'failed'))

describe('the breaker opens', () => {
  test('at the 20th failed call, not at the 19th', () => {
    call(...times(19, 'failed'))
    expect(breaker.isOpen()).toBe(false)
    call('failed')
    expect(breaker.isOpen()).toBe(true)
    expect(() => breaker.enter()).toThrow(BreakerOpenError)
  })

  test.each([11, 1001])('when half have failed, not with one less: %i of each', (half) => {
    call(...times(half, 'well'), ...times(half - 1, 'failed'))
    expect(breaker.isOpen()).toBe(false)
    call('failed')
    expect(breaker.isOpen()).toBe(true)
  })

  test('only on calls of the last 10 s: two failures a minute never do it', () => {
    for (let minute = 0; minute < 60; minute++) {
      call('failed', 'failed')
      now += 61_000
    }
    call(...times(19, 'failed'))
    now += 11_000
    call(...times(19, 'failed'))
    expect(breaker.isOpen()).toBe(false)
  })

  test('on failures that are spread over those 10 s', () => {
    for (let second = 0; second < 10; second++) {
      expect(breaker.isOpen()).toBe(false)
      call('failed', 'failed')
      now += 1000
    }
    expect(breaker.isOpen()).toBe(true)
  })

  test('never on calls whose caller left, which are not counted at all', () => {
    call(...times(1000, 'unknown'))
    call(...times(19, 'failed'))
    expect(breaker.isOpen()).toBe(false)
  })
})

describe('an open breaker', () => {
  beforeEach(open)

  test('lets nothing through for 2 s, then one probe', () => {
    now += 1999
    expect(() => breaker.enter()).toThrow(BreakerOpenError)
    now += 1
    breaker.enter()
    expect(breaker.isOpen()).toBe(true)
    expect(() => breaker.enter()).toThrow(BreakerOpenError)
  })

  test('closes after a successful probe, and starts a new count', () => {
    now += 2000
    call('well')
    expect(breaker.isOpen()).toBe(false)
    call(...times(19, 'failed'))
    expect(breaker.isOpen()).toBe(false)
    call('failed')
    expect(breaker.isOpen()).toBe(true)
  })

  test('stays open after a failed probe, and probes every 2 s', () => {
    for (let probe = 0; probe < 5; probe++) {
      now += 2000
      call('failed')
      expect(breaker.isOpen()).toBe(true)
      expect(() => breaker.enter()).toThrow(BreakerOpenError)
    }
  })

  test('shows closed when no call has come for a minute, and a probe decides even then', () => {
    now += 2000 + 59_999
    expect(breaker.isOpen()).toBe(true)
    now += 1
    expect(breaker.isOpen()).toBe(false)
    breaker.enter()
    expect(breaker.isOpen()).toBe(true)
    expect(() => breaker.enter()).toThrow(BreakerOpenError)
  })

  test('goes on showing open while each of a call a minute fails', () => {
    for (let minute = 0; minute < 5; minute++) {
      now += 60_000
      expect(breaker.isOpen()).toBe(true)
      call('failed')
      expect(breaker.isOpen()).toBe(true)
    }
  })

  test('does not wait for a probe that hangs', () => {
    now += 2000
    const hanging = breaker.enter()
    now += 2000
    call('well')
    expect(breaker.isOpen()).toBe(false)
    breaker.report(hanging, 'failed')
    call(...times(19, 'failed'))
    expect(breaker.isOpen()).toBe(false)
  })

  test('makes the next call a probe when the caller of a probe has left', () => {
    now += 2000
    call('unknown')
    expect(breaker.isOpen()).toBe(true)
    call('failed')
    expect(() => breaker.enter()).toThrow(BreakerOpenError)
  })

  test('ignores the outcome of calls that began before it opened or closed', () => {
    const fresh = createBreaker(() => now)
    const slow = times(40, 'failed').map(() => fresh.enter())
    for (const era of slow.slice(0, 20)) fresh.report(era, 'failed')
    expect(fresh.isOpen()).toBe(true)
    fresh.report(slow[20] ?? Number.NaN, 'well')
    expect(fresh.isOpen()).toBe(true)
    now += 2000
    fresh.report(fresh.enter(), 'well')
    for (const era of slow.slice(21)) fresh.report(era, 'failed')
    expect(fresh.isOpen()).toBe(false)
    fresh.report(fresh.enter(), 'failed')
    expect(fresh.isOpen()).toBe(false)
  })
})

describe('a caller whose calls fail', () => {
  const flood = () => callAs('mallory', ...times(20, 'failed'))

  test('is refused after 20 failures in a row, and others are not', () => {
    callAs('mallory', ...times(19, 'failed'))
    expect(breaker.refuses('mallory')).toBe(false)
    callAs('mallory', 'failed')
    expect(() => breaker.enter('mallory')).toThrow(BreakerOpenError)
    expect(breaker.isOpen()).toBe(false)
    callAs('alice', ...times(100, 'well'))
    call('well')
  })

  test('may try again 2 s after the latest failure, and goes on after a success', () => {
    flood()
    now += 1999
    expect(breaker.refuses('mallory')).toBe(true)
    now += 1
    callAs('mallory', 'failed')
    expect(breaker.refuses('mallory')).toBe(true)
    now += 2000
    callAs('mallory', 'well', ...times(19, 'failed'))
    expect(breaker.refuses('mallory')).toBe(false)
  })

  test('is not refused for 20 failures in a row that took more than 10 s', () => {
    for (let minute = 0; minute < 60; minute++) {
      callAs('mallory', 'failed', 'failed')
      now += 61_000
    }
    callAs('mallory', ...times(19, 'failed'))
    expect(breaker.refuses('mallory')).toBe(false)
    callAs('mallory', 'failed')
    expect(breaker.refuses('mallory')).toBe(true)
  })

  test('stays refused by one more failure, however late it comes', () => {
    flood()
    now += 60_000
    callAs('mallory', 'failed')
    expect(breaker.refuses('mallory')).toBe(true)
  })

  test('opens it for nobody else, not even with calls that succeed in between, nor in the next 10 s', () => {
    for (let round = 0; round < 5; round++) {
      for (let at = 0; at < 100; at++) callAs('mallory', 'failed', 'well')
      now += 10_000
      expect(breaker.isOpen()).toBe(false)
    }
  })

  test('opens it for nobody else together with three others, however often they fail', () => {
    for (const caller of ['a', 'b', 'c', 'd']) callAs(caller, ...times(19, 'failed'))
    expect(breaker.isOpen()).toBe(false)
  })

  test('counts again for others after 10 s', () => {
    for (const caller of ['a', 'b', 'c', 'd']) callAs(caller, ...times(4, 'failed'))
    now += 10_000
    for (const caller of ['a', 'b', 'c', 'd', 'e']) callAs(caller, ...times(4, 'failed'))
    expect(breaker.isOpen()).toBe(true)
  })

  test('opens it for all together with four others', () => {
    for (const caller of ['a', 'b', 'c', 'd']) callAs(caller, ...times(4, 'failed'))
    callAs('e', ...times(3, 'failed'))
    expect(breaker.isOpen()).toBe(false)
    callAs('e', 'failed')
    expect(breaker.isOpen()).toBe(true)
    expect(() => breaker.enter('alice')).toThrow(BreakerOpenError)
    now += 2000
    callAs('a', 'well')
    expect(breaker.isOpen()).toBe(false)
  })

  test('is remembered while fewer than a thousand have failed since its latest failure', () => {
    flood()
    const failAs = (caller: string) => {
      now += 10_000
      callAs(caller, 'failed')
    }
    for (let at = 0; at < 999; at++) failAs(`user-${at}`)
    failAs('mallory')
    expect(breaker.refuses('mallory')).toBe(true)
    callAs('one more', 'failed')
    expect(breaker.refuses('mallory')).toBe(true)
  })

  test('is forgotten when a thousand others have failed since', () => {
    flood()
    for (let at = 0; at < 1000; at++) {
      callAs(`user-${at}`, 'failed')
      now += 3000
      if (breaker.isOpen()) callAs('alice', 'well')
    }
    callAs('mallory', ...times(19, 'failed'))
    expect(breaker.refuses('mallory')).toBe(false)
  })
})
