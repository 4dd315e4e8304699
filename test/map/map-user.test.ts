import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { IssuerSettings } from '../../src/config/settings.ts'
import { ServiceError } from '../../src/lib/errors.ts'
import { createUserOf, mapUser } from '../../src/map/map-user.ts'
import { anyCharacter } from '../lib/any-character.ts'
import { principalWith, refusal, userOf } from './fixtures.ts'

const subject = userOf('claims.sub')
const map = (sub: unknown): string => mapUser(subject, principalWith({ sub }))

test('the user of a token is what the expression yields', () => {
  expect(map('alice')).toBe('alice')
  const full = userOf('issuer + "|" + claims.sub')
  expect(mapUser(full, principalWith({ sub: 'alice' }))).toBe('https://i.example|alice')
})

test.each([['…'], ['a'.repeat(512)], ['😀'.repeat(512)], [' '], ['a b'], ['...'], ['日本']])(
  'the user %j is accepted',
  (sub) => {
    expect(map(sub)).toBe(sub)
  },
)

test.each([
  ['a missing claim', undefined],
  ['nothing', ''],
  ['513 characters', 'a'.repeat(513)],
  ['513 characters outside the BMP', '😀'.repeat(513)],
  ['a control character', 'a\u0000b'],
  ['a new line', 'a\n'],
  ['DEL', 'a\u007f'],
  ['C1', 'a\u0085'],
  ['a lone surrogate', 'a\ud800'],
  ['a dot', '.'],
  ['two dots', '..'],
  ['a number', 7],
  ['a bool', true],
  ['null', null],
  ['a list', ['alice']],
  ['an object', { toString: 'alice' }],
])('a user expression that yields %s is refused', (_name, sub) => {
  expect(refusal(() => map(sub))).toEqual({ code: 'claims_not_mapped', detail: undefined })
})

test('a user who was mapped before the log could hash users is hashed as soon as it can', () => {
  let hash: string | undefined
  const issuers = [{ issuer: 'https://i.example', user: subject } as IssuerSettings]
  const mapped = createUserOf({ issuers, hashUser: () => hash })
  const principal = principalWith({ sub: 'alice' })
  expect(mapped(principal)).toEqual({ user: 'alice', hash: undefined })
  hash = 'h'
  expect(mapped(principal)).toEqual({ user: 'alice', hash: 'h' })
})

test.each([
  ['claims.employee_id', 'the user expression fails: No such key: employee_id'],
  ['claims.org.id', 'the user expression fails: No such key: id'],
  ['string(int(claims.sub))', 'the user expression fails: int() type error: cannot convert to int'],
])('the reason of a refusal says why %s fails, in one line', (source, reason) => {
  const principal = principalWith({ sub: 'alice', org: {} })
  expect(() => mapUser(userOf(source), principal)).toThrow(
    expect.objectContaining({ code: 'claims_not_mapped', reason }),
  )
})

test('the reason of a refusal never quotes the user', () => {
  try {
    map('secretive\n')
    expect.unreachable()
  } catch (error) {
    expect((error as ServiceError).message).not.toContain('secretive')
  }
})

test('a user always has 1 to 512 characters, none of them a control character', () => {
  fc.assert(
    fc.property(fc.string({ unit: anyCharacter, maxLength: 1100, size: 'max' }), (sub) => {
      try {
        const user = map(sub)
        expect(user).toBe(sub)
        expect([...user].length).toBeGreaterThan(0)
        expect([...user].length).toBeLessThanOrEqual(512)
        expect(/[\p{Cc}\p{Cs}]/u.test(user)).toBe(false)
      } catch (error) {
        if (!(error instanceof ServiceError)) throw error
        const fine = sub !== '' && [...sub].length <= 512 && !/[\p{Cc}\p{Cs}]/u.test(sub)
        expect(fine && sub !== '.' && sub !== '..').toBe(false)
      }
    }),
  )
})
