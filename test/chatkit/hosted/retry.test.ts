import { describe, expect, test } from 'vitest'
import { createRetryBudget, retryDelay } from '../../../src/chatkit/hosted/retry.ts'

const NOW = Date.UTC(2026, 0, 2, 3, 4, 5)
const dateIn = (seconds: number) => new Date(NOW + seconds * 1000).toUTCString()
const delay = (header: string | undefined, leftMs = 8000) =>
  retryDelay(header, { leftMs, nowMs: NOW })

describe('the wait before a retry', () => {
  test.each([
    [undefined, 0],
    ['0', 0],
    ['1', 1000],
    ['7', 7000],
    [dateIn(3), 3000],
    [dateIn(-60), 0],
  ])('%s is %i ms and a random 100 to 300', (header, asked) => {
    const waits = Array.from({ length: 200 }, () => (delay(header) ?? Number.NaN) - asked)
    for (const wait of waits) expect(wait).toBeGreaterThanOrEqual(100)
    for (const wait of waits) expect(wait).toBeLessThanOrEqual(300)
    expect(new Set(waits).size).toBeGreaterThan(100)
  })

  test.each(['8', '120', dateIn(9), 'soon'])('there is none after %j', (header) => {
    expect(delay(header)).toBeUndefined()
  })

  test('is undefined when too little time is left for another attempt', () => {
    expect(delay(undefined, 550)).toBeUndefined()
    expect(delay(undefined, 900)).toBeDefined()
    expect(delay('1', 1500)).toBeUndefined()
    expect(delay('1', 1900)).toBeDefined()
  })
})

function budgetScene() {
  let now = 0
  const budget = createRetryBudget(() => now)
  const withdraw = (count: number) =>
    Array.from({ length: count }, () => budget.withdraw()).filter(Boolean).length
  const deposit = (count: number) => {
    for (let at = 0; at < count; at++) budget.deposit()
  }
  return {
    withdraw,
    deposit,
    pass(milliseconds: number) {
      now += milliseconds
    },
  }
}

test('twenty retries are available at once, and two more each second', () => {
  const { withdraw, pass } = budgetScene()
  expect(withdraw(50)).toBe(20)
  pass(499)
  expect(withdraw(1)).toBe(0)
  pass(1)
  expect(withdraw(2)).toBe(1)
  pass(3000)
  expect(withdraw(50)).toBe(6)
})

test('five calls allow one retry', () => {
  const { withdraw, deposit } = budgetScene()
  withdraw(20)
  deposit(51)
  expect(withdraw(50)).toBe(10)
})

test('unused retries do not add up beyond twenty', () => {
  const { withdraw, deposit, pass } = budgetScene()
  deposit(100_000)
  pass(86_400_000)
  expect(withdraw(100)).toBe(20)
})
