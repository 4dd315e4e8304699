import { expect, test } from 'vitest'
import { createRetryBudget } from '../../../src/chatkit/hosted/retry-budget.ts'

function scene() {
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

test('twenty retries are at hand, and two more each second', () => {
  const { withdraw, pass } = scene()
  expect(withdraw(50)).toBe(20)
  pass(499)
  expect(withdraw(1)).toBe(0)
  pass(1)
  expect(withdraw(2)).toBe(1)
  pass(3000)
  expect(withdraw(50)).toBe(6)
})

test('each five calls allow one', () => {
  const { withdraw, deposit } = scene()
  withdraw(20)
  deposit(51)
  expect(withdraw(50)).toBe(10)
})

test('what is not used is not kept: quiet hours do not pay for a storm', () => {
  const { withdraw, deposit, pass } = scene()
  deposit(100_000)
  pass(86_400_000)
  expect(withdraw(100)).toBe(20)
})
