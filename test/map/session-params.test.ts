import fc from 'fast-check'
import { expect, test } from 'vitest'
import { sessionSeconds } from '../../src/map/session-params.ts'
import { refusal } from './fixtures.ts'

const NOW = 1_700_000_000
const at = (seconds: number) => () => seconds * 1000

test('without sessions_end_with_token, the life of a session does not depend on its token', () => {
  const life = { sessionsEndWithToken: false, tokenExpiresAt: NOW - 5, now: at(NOW) }
  expect(sessionSeconds({ ...life, configured: undefined })).toBeUndefined()
  expect(sessionSeconds({ ...life, configured: 300 })).toBe(300)
})

test.each([
  [undefined, NOW + 3600, 600],
  [undefined, NOW + 599, 599],
  [300, NOW + 3600, 300],
  [300, NOW + 299.9, 299],
  [300, NOW + 1, 1],
])(
  '%s configured seconds and a token until %d give %d seconds with sessions_end_with_token',
  (configured, tokenExpiresAt, seconds) => {
    const life = { configured, sessionsEndWithToken: true, tokenExpiresAt, now: at(NOW) }
    expect(sessionSeconds(life)).toBe(seconds)
  },
)

test.each([NOW + 0.999, NOW, NOW - 30])(
  'a token until %d is too old for a session',
  (tokenExpiresAt) => {
    const life = { configured: 600, sessionsEndWithToken: true, tokenExpiresAt, now: at(NOW) }
    expect(refusal(() => sessionSeconds(life)).code).toBe('token_expired')
  },
)

test('a session never outlives its token', () => {
  const configured = fc.option(fc.integer({ min: 1, max: 600 }), { nil: undefined })
  fc.assert(
    fc.property(configured, fc.integer({ min: 1000, max: 2_000_000 }), (seconds, left) => {
      const now = () => NOW * 1000 - left
      const life = { configured: seconds, sessionsEndWithToken: true, tokenExpiresAt: NOW, now }
      const given = sessionSeconds(life) ?? Number.NaN
      expect(given).toBeGreaterThanOrEqual(1)
      expect(given * 1000).toBeLessThanOrEqual(left)
      expect(given).toBeLessThanOrEqual(seconds ?? 600)
    }),
  )
})
