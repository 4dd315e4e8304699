import { expect, test } from 'vitest'
import { unixSeconds } from '../../src/lib/clock.ts'

test('unixSeconds rounds down', () => {
  expect(unixSeconds(() => 1_999)).toBe(1)
  expect(unixSeconds(() => 2_000)).toBe(2)
})
