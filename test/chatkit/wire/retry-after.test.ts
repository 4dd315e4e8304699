import { describe, expect, test } from 'vitest'
import { handedOnSeconds } from '../../../src/chatkit/wire/retry-after.ts'

const NOW = Date.UTC(2026, 0, 2, 3, 4, 5)
const dateIn = (seconds: number) => new Date(NOW + seconds * 1000).toUTCString()

describe('the seconds handed on', () => {
  test.each([
    ['0', 1],
    ['1', 1],
    ['120', 120],
    ['121', 120],
    ['999999999', 120],
    [dateIn(30), 30],
    [dateIn(-30), 1],
    [dateIn(86_400), 120],
    ['9'.repeat(20), 120],
  ])('%s becomes %i', (header, seconds) => expect(handedOnSeconds(header, NOW)).toBe(seconds))

  test.each([undefined, '', 'soon', '-5', '+1', '1.5', '1e3', '0x1', ' 1', '1, 2', 'Fri'])(
    'are 5 for %j, which cannot be read',
    (header) => expect(handedOnSeconds(header, NOW)).toBe(5),
  )

  test('they are whole, rounded up', () => {
    expect(handedOnSeconds(dateIn(2), NOW + 400)).toBe(2)
  })
})
