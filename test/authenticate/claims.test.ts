import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { judgeClaims } from '../../src/authenticate/claims.ts'
import type { IssuerSettings } from '../../src/config/settings.ts'
import { ServiceError } from '../../src/lib/errors.ts'
import { anyCharacter } from '../lib/any-character.ts'
import { issuerSettings, stoppedClock } from '../support/issuer-settings.ts'
import { claimsOf } from '../support/tokens.ts'

const { now } = stoppedClock()
const seconds = now() / 1000
const issuer = 'https://login.acme.example/'

function judge(changes: Record<string, unknown>, settings: Partial<IssuerSettings> = {}) {
  // Through JSON, as claims come: an undefined member is absent, 1e999 arrives as text below.
  const claims = JSON.parse(JSON.stringify(claimsOf(issuer, now(), changes)))
  return judgeClaims(claims, issuerSettings({ issuer, ...settings }), now).principal
}

function codeOf(changes: Record<string, unknown>, settings: Partial<IssuerSettings> = {}): string {
  try {
    judge(changes, settings)
  } catch (error) {
    if (error instanceof ServiceError) return error.code
    throw error
  }
  return 'accepted'
}

test.each<[string, unknown]>([
  ['absent', undefined],
  ['null', null],
  ['another', 'other-api'],
  ['a prefix of ours', 'chat-ap'],
  ['a suffix of ours', 'hat-api'],
  ['ours with more', 'chat-api-2'],
  ['ours in another case', 'Chat-Api'],
  ['an object', { 'chat-api': true }],
  ['empty', ''],
  ['an empty array', []],
  ['an array without ours', ['a', 'b']],
  ['an array with ours and a number', ['chat-api', 1]],
  ['an array in an array', [['chat-api']]],
  ['a number', 7],
])('an aud that is %s is refused', (_name, aud) => {
  expect(codeOf({ aud })).toBe('invalid_token')
})

test('an aud that is our name, or an array that contains it, is accepted', () => {
  expect(judge({ aud: 'chat-api' }).subject).toBe('alice')
  expect(judge({ aud: ['other', 'chat-api'] }).subject).toBe('alice')
})

test.each(['client_id', 'azp'] as const)(
  '%s stands in for aud where configured',
  (audienceClaim) => {
    expect(codeOf({ [audienceClaim]: 'chat-api', aud: undefined }, { audienceClaim })).toBe(
      'accepted',
    )
    expect(codeOf({ [audienceClaim]: 'other' }, { audienceClaim })).toBe('invalid_token')
    expect(codeOf({}, { audienceClaim })).toBe('invalid_token')
  },
)

describe('exp, nbf, iat', () => {
  test.each<[string, Record<string, unknown>, string]>([
    ['exp absent', { exp: undefined }, 'invalid_token'],
    ['exp null', { exp: null }, 'invalid_token'],
    ['exp as text', { exp: String(seconds + 300) }, 'invalid_token'],
    ['exp in milliseconds', { exp: now() + 300_000 }, 'invalid_token'],
    ['exp eleven years ahead', { exp: seconds + 11 * 366 * 86_400 }, 'invalid_token'],
    ['exp nine years ahead', { exp: seconds + 9 * 366 * 86_400 }, 'accepted'],
    ['exp passed within the tolerance', { exp: seconds - 29 }, 'accepted'],
    ['exp passed by the tolerance', { exp: seconds - 30 }, 'token_expired'],
    ['exp passed long ago', { exp: 0 }, 'token_expired'],
    ['exp passed, aud wrong', { exp: 0, aud: 'other' }, 'invalid_token'],
    ['exp passed, sub missing', { exp: 0, sub: undefined }, 'invalid_token'],
    ['nbf ahead within the tolerance', { nbf: seconds + 30 }, 'accepted'],
    ['nbf ahead beyond it', { nbf: seconds + 31 }, 'invalid_token'],
    ['nbf null', { nbf: null }, 'invalid_token'],
    ['nbf as text', { nbf: '0' }, 'invalid_token'],
    ['iat ahead within the tolerance', { iat: seconds + 30 }, 'accepted'],
    ['iat ahead beyond it', { iat: seconds + 31 }, 'invalid_token'],
    ['iat as text', { iat: 'now' }, 'invalid_token'],
    ['iat null', { iat: null }, 'invalid_token'],
    ['iat absent', { iat: undefined }, 'accepted'],
  ])('a token with %s is accepted or refused by its times', (_name, changes, expected) => {
    expect(codeOf(changes)).toBe(expected)
  })

  test.each(['exp', 'iat', 'nbf'])('a token with %s of 1e999 is refused', (name) => {
    const claims = { ...claimsOf(issuer, now()), [name]: JSON.parse('1e999') }
    expect(() => judgeClaims(claims, issuerSettings({ issuer }), now)).toThrow(/invalid_token/)
  })

  test.each([
    [{ iat: seconds + 300 }, /iat is ahead of this machine's clock by 300 seconds/],
    [{ nbf: seconds + 300 }, /nbf is ahead of this machine's clock by 300 seconds/],
    [{ exp: seconds - 300 }, /exp passed 300 seconds ago/],
    [{ exp: undefined }, /claims: no "exp"$/],
    [{ sub: undefined }, /claims: no "sub"$/],
  ])('the reason says by how much the times of %j differ from the clock', (changes, reason) => {
    expect(() => judge(changes)).toThrow(reason)
  })

  test('a token gets no tolerance where none is configured', () => {
    const strict = { clockToleranceSeconds: 0 }
    expect(codeOf({ exp: seconds }, strict)).toBe('token_expired')
    expect(codeOf({ exp: seconds + 1 }, strict)).toBe('accepted')
    expect(codeOf({ nbf: seconds + 1 }, strict)).toBe('invalid_token')
  })

  test('fractions of seconds are rounded down in the principal', () => {
    const { expiresAt, issuedAt } = judge({ exp: seconds + 9.7, iat: seconds - 0.3 })
    expect({ expiresAt, issuedAt }).toEqual({ expiresAt: seconds + 9, issuedAt: seconds - 1 })
  })

  test('a token older than max_token_age_seconds, or without iat, is refused', () => {
    const limited = { maxTokenAgeSeconds: 60 }
    expect(codeOf({ iat: seconds - 60 }, limited)).toBe('accepted')
    expect(codeOf({ iat: seconds - 61 }, limited)).toBe('invalid_token')
    expect(codeOf({ iat: undefined }, limited)).toBe('invalid_token')
  })
})

describe('sub', () => {
  test.each<[string, unknown]>([
    ['absent', undefined],
    ['null', null],
    ['empty', ''],
    ['a number', 42],
    ['an array', ['alice']],
    ['an object', { id: 'alice' }],
    ['256 characters', 'a'.repeat(256)],
    ['256 units in 128 characters', '\u{1f600}'.repeat(128)],
    ['NUL', 'ali\u0000ce'],
    ['a line break', 'alice\n'],
    ['DEL', 'alice\u007f'],
    ['a C1 control', 'alice\u0085'],
    ['right-to-left override', 'ali\u202ece'],
    ['a bidi isolate', 'ali\u2066ce'],
    ['Arabic letter mark', 'ali\u061cce'],
    ['zero-width space', 'ali\u200bce'],
    ['zero-width joiner', 'ali\u200dce'],
    ['word joiner', 'ali\u2060ce'],
    ['byte order mark', '\ufeffalice'],
    ['line separator', 'ali\u2028ce'],
    ['paragraph separator', 'ali\u2029ce'],
    ['soft hyphen', 'ali\u00adce'],
    ['combining grapheme joiner', 'ali\u034fce'],
    ['Hangul choseong filler', 'ali\u115fce'],
    ['Hangul jungseong filler', 'ali\u1160ce'],
    ['Khmer inherent vowel', 'ali\u17b4ce'],
    ['Mongolian variation selector', 'ali\u180bce'],
    ['Mongolian vowel separator', 'ali\u180ece'],
    ['Hangul filler', 'ali\u3164ce'],
    ['halfwidth Hangul filler', 'ali\uffa0ce'],
    ['variation selector 16', 'alice\ufe0f'],
    ['variation selector 256', 'alice\u{e01ef}'],
    ['a tag character', 'alice\u{e0061}'],
    ['an unassigned default ignorable', 'alice\u{e0fff}'],
    ['musical beam', 'alice\u{1d173}'],
    ['invisible plus', 'ali\u2064ce'],
    ['reserved invisible', 'ali\u2065ce'],
  ])('a sub with this fault is refused: %s', (_name, sub) => {
    expect(codeOf({ sub })).toBe('invalid_token')
  })

  test.each<[string, string]>([
    ['high', '\ud800'],
    ['low', '\udc00'],
    ['reversed', '\udc00\ud800'],
  ])('a sub with a lone surrogate (%s) is refused', (_name, text) => {
    expect(codeOf({ sub: `alice${text}` })).toBe('invalid_token')
  })

  test('a sub of 255 characters, of other scripts, emoji or blanks is accepted', () => {
    for (const sub of ['a'.repeat(255), 'auth0|5f7c', 'Ærøskøbing', '利用者', 'علي', '😀', ' ']) {
      expect(judge({ sub }).subject).toBe(sub)
    }
  })

  test('an accepted sub survives UTF-8 and holds nothing invisible', () => {
    fc.assert(
      fc.property(fc.string({ unit: anyCharacter, maxLength: 20 }), (sub) => {
        if (codeOf({ sub }) !== 'accepted') return
        expect(Buffer.from(sub, 'utf8').toString('utf8')).toBe(sub)
        expect(sub).not.toMatch(/[\p{Cc}\p{Bidi_Control}]/u)
      }),
      { numRuns: 300 },
    )
  })
})

test.each<[string, unknown]>([
  ['a number', 1],
  ['null', null],
  ['empty', ''],
  ['256 characters', 's'.repeat(256)],
  ['an object', {}],
])('a sid that is %s is refused', (_name, sid) => {
  expect(codeOf({ sid })).toBe('invalid_token')
})

test('a sid of 255 characters is kept', () => {
  expect(judge({ sid: 's'.repeat(255) }).sid).toHaveLength(255)
})

test.each<[unknown, string]>([
  [undefined, 'invalid_token'],
  [null, 'invalid_token'],
  ['', 'accepted'],
  [false, 'accepted'],
  ['a@acme.example', 'accepted'],
])('a required claim that is %j gives %s', (email, expected) => {
  expect(codeOf({ email }, { requiredClaims: ['sub', 'email'] })).toBe(expected)
})

test('a member that every object inherits does not count as a required claim', () => {
  expect(codeOf({}, { requiredClaims: ['toString'] })).toBe('invalid_token')
})

describe('a token with a back-channel logout event', () => {
  const event = 'http://schemas.openid.net/event/backchannel-logout'

  test.each<[string, unknown]>([
    ['as a logout token has it', { [event]: {} }],
    ['among other events', { 'https://other.example/event': {}, [event]: {} }],
    ['whose value is no object', { [event]: null }],
    ['in a list', [event]],
  ])('%s is no access token', (_name, events) => {
    expect(codeOf({ events })).toBe('invalid_token')
    expect(codeOf({ events, exp: seconds - 3600 })).toBe('invalid_token')
  })

  test.each<[string, unknown]>([
    ['of another kind', { 'https://other.example/event': {} }],
    ['that are absent', undefined],
    ['that are null', null],
    ['that are text', 'sign-in'],
  ])('events %s are no logout', (_name, events) => {
    expect(codeOf({ events })).toBe('accepted')
  })
})
