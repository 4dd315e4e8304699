import fc from 'fast-check'
import { expect, test } from 'vitest'
import { readToken } from '../../src/authenticate/token-shape.ts'
import { ServiceError } from '../../src/lib/errors.ts'
import { handMade, type Part } from '../support/tokens.ts'

const signature = Buffer.alloc(64, 7)
const token = (header: Part, payload: Part = { sub: 'alice' }) =>
  handMade(header, payload, signature)
const good = token({ alg: 'ES256', kid: 'k1', typ: 'JWT' })

function reasonOf(raw: string): string {
  try {
    readToken(raw)
  } catch (error) {
    if (error instanceof ServiceError && error.code === 'invalid_token') return error.reason
    throw error
  }
  throw new Error('was accepted')
}

test('a good token is read', () => {
  expect(readToken(good)).toEqual({
    raw: good,
    header: { alg: 'ES256', kid: 'k1', typ: 'JWT' },
    claims: { sub: 'alice' },
  })
})

test('tokens with the same header share it, unless it is long', () => {
  const headerOf = (header: Part, sub: string) => readToken(token(header, { sub })).header
  expect(headerOf({ alg: 'ES256', kid: 'k1' }, 'a')).toBe(
    headerOf({ alg: 'ES256', kid: 'k1' }, 'b'),
  )
  expect(headerOf({ alg: 'ES256', kid: 'k2' }, 'a')).toEqual({ alg: 'ES256', kid: 'k2' })
  const long = { alg: 'ES256', x: 'x'.repeat(1000) }
  expect(headerOf(long, 'a')).not.toBe(headerOf(long, 'b'))
  for (let count = 0; count < 101; count++) headerOf({ alg: 'ES256', kid: `other-${count}` }, 'a')
  expect(headerOf({ alg: 'ES256', kid: 'k1' }, 'a')).toEqual({ alg: 'ES256', kid: 'k1' })
})

test('a token of 12,288 characters passes, a longer one is refused', () => {
  const sized = (length: number) => {
    const room = length - handMade({ alg: 'ES256' }, { sub: 'a' }, Buffer.alloc(0)).length
    return handMade({ alg: 'ES256' }, { sub: 'a' }, Buffer.alloc(Math.floor((room * 3) / 4)))
  }
  expect(sized(12_288)).toHaveLength(12_288)
  expect(readToken(sized(12_288)).claims).toEqual({ sub: 'a' })
  expect(reasonOf(sized(12_289))).toBe('longer than 12 KiB')
  expect(reasonOf('A'.repeat(10_000_000))).toBe('longer than 12 KiB')
})

test.each([
  ['no character', ''],
  ['one segment', 'abc'],
  ['two segments', good.slice(0, good.lastIndexOf('.'))],
  ['four segments', `${good}.AAAA`],
  ['five segments, as a JWE has', `${good}.AAAA.AAAA`],
  ['no header', good.slice(good.indexOf('.'))],
  ['no payload', good.replace(/\..*\./, '..')],
  ['no signature', good.slice(0, good.lastIndexOf('.') + 1)],
])('a token with %s is refused', (_name, raw) => {
  expect(reasonOf(raw)).toBe('not three non-empty segments')
})

test.each(['undefined', 'null', '[object Object]', '[object Promise]'])(
  'the text %j, which a page sends that has no token yet, is named in the reason',
  (raw) => {
    expect(reasonOf(raw)).toContain(`the text "${raw}", as a page sends`)
  },
)

test.each([
  ['padding', (raw: string) => `${raw}==`],
  ['a space at the end', (raw: string) => `${raw} `],
  ['a line break inside', (raw: string) => `${raw.slice(0, -4)}\n${raw.slice(-4)}`],
  ['standard base64', (raw: string) => raw.replace(/.$/, '+')],
  ['a character of another alphabet', (raw: string) => `${raw.slice(0, -1)}?`],
  ['a full-width letter', (raw: string) => raw.replace(/^e/, '\uff45')],
  ['an impossible length', (raw: string) => raw.replace('.', 'A.').replace('.', 'A.')],
])('a token with %s is refused, since it is not strict base64url', (_name, change) => {
  expect(() => readToken(change(good))).toThrow(ServiceError)
})

test('a signature with other unused bits in its last character is refused', () => {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  const decoded = Buffer.from(good.split('.')[2] ?? '', 'base64url')
  const twins = Array.from(alphabet, (char) => good.slice(0, -1) + char).filter((raw) =>
    Buffer.from(raw.split('.')[2] ?? '', 'base64url').equals(decoded),
  )
  expect(twins.length).toBeGreaterThan(1)
  for (const twin of twins.filter((raw) => raw !== good)) {
    expect(reasonOf(twin)).toBe('signature: not strict base64url')
  }
})

test('an accepted token is kept as it came, and is refused with a character more', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 80 }), fc.nat(), (bytes, at) => {
      const raw = handMade({ alg: 'ES256' }, { sub: 'x' }, bytes)
      expect(readToken(raw).raw).toBe(raw)
      const cut = at % raw.length
      const changed = `${raw.slice(0, cut)}=${raw.slice(cut)}`
      expect(() => readToken(changed)).toThrow(ServiceError)
    }),
  )
})

test('any text gives either a token or a ServiceError', () => {
  const segment = fc.oneof(
    fc.string(),
    fc.base64String(),
    fc.json().map((json) => token(json, json)),
  )
  fc.assert(
    fc.property(fc.array(segment, { maxLength: 4 }), (segments) => {
      try {
        readToken(segments.join('.'))
      } catch (error) {
        expect(error).toBeInstanceOf(ServiceError)
      }
    }),
  )
})

test.each<[string, Part, string]>([
  ['no alg', { kid: 'k1' }, 'alg'],
  ['null as alg', { alg: null }, 'alg'],
  ['an array as alg', { alg: ['ES256'] }, 'alg'],
  ['an object as kid', { alg: 'ES256', kid: { a: 1 } }, 'kid'],
  ['null as kid', { alg: 'ES256', kid: null }, 'kid'],
  ['a kid of 257 characters', { alg: 'ES256', kid: 'k'.repeat(257) }, 'kid'],
  ['a number as typ', { alg: 'ES256', typ: 1 }, 'typ'],
  ['crit', { alg: 'ES256', crit: ['exp'] }, 'crit'],
  ['an empty crit', { alg: 'ES256', crit: [] }, 'crit'],
  ['b64 false', { alg: 'ES256', b64: false }, 'b64'],
  ['b64 true', { alg: 'ES256', b64: true }, 'b64'],
  ['cty', { alg: 'ES256', cty: 'JWT' }, 'cty'],
])('a header with %s is refused', (_name, header, member) => {
  expect(reasonOf(token(header))).toMatch(new RegExp(`^header: ${member}: `))
})

test.each<[string, Part]>([
  ['an array', '[]'],
  ['null', 'null'],
  ['a string', '"ES256"'],
  ['with a repeated key', '{"alg":"ES256","alg":"none"}'],
  ['with a repeated key, once escaped', '{"alg":"ES256","\\u0061lg":"none"}'],
  ['not JSON', 'ES256'],
  ['not UTF-8', Buffer.from([0x7b, 0xff, 0x7d])],
  ['33 levels deep', `{"alg":"ES256","x":${'['.repeat(32)}${']'.repeat(32)}}`],
])('a header that is %s is refused', (_name, header) => {
  expect(reasonOf(token(header))).toMatch(/^header: /)
})

test('a header with a kid of 256 characters passes', () => {
  expect(readToken(token({ alg: 'ES256', kid: 'k'.repeat(256) })).header.kid).toHaveLength(256)
})

test.each<[string, Part]>([
  ['an array', '[]'],
  ['null', 'null'],
  ['a number', '1'],
  ['with a repeated key', '{"sub":"alice","sub":"bob"}'],
  ['with a repeated key deep inside', '{"a":[{"b":1,"b":2}]}'],
  ['with the key __proto__', '{"__proto__":{"sub":"alice"}}'],
  ['not JSON', 'foo'],
  ['not UTF-8', Buffer.from([0x7b, 0x22, 0xc3, 0x22, 0x7d])],
  ['3000 levels deep', `{"a":${'['.repeat(2900)}${']'.repeat(2900)}}`],
])('a payload that is %s is refused', (_name, payload) => {
  expect(reasonOf(token({ alg: 'ES256' }, payload))).toMatch(/^payload: /)
})

test('a token with "Bearer" before it is refused, and the reason says so', () => {
  const twice = `Bearer ${Buffer.from('{"alg":"ES256"}').toString('base64url')}.e30.AAAA`
  expect(reasonOf(twice)).toBe('header: not strict base64url, begins with a second "Bearer"')
})

test.each(['"', "'", '`'])('a token in quotes (%s) is refused, and the reason says so', (quote) => {
  const quoted = `${quote}${Buffer.from('{"alg":"ES256"}').toString('base64url')}.e30.AAAA${quote}`
  expect(reasonOf(quoted)).toBe('header: not strict base64url, begins with a quote')
})
