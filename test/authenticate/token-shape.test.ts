import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
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

describe('shape', () => {
  test('a good token is read', () => {
    expect(readToken(good)).toEqual({
      raw: good,
      header: { alg: 'ES256', kid: 'k1', typ: 'JWT' },
      claims: { sub: 'alice' },
    })
  })

  test('8192 characters pass, one more does not', () => {
    const sized = (length: number) => {
      const room = length - handMade({ alg: 'ES256' }, { sub: 'a' }, Buffer.alloc(0)).length
      return handMade({ alg: 'ES256' }, { sub: 'a' }, Buffer.alloc(Math.floor((room * 3) / 4)))
    }
    expect(sized(8192)).toHaveLength(8192)
    expect(readToken(sized(8192)).claims).toEqual({ sub: 'a' })
    expect(reasonOf(sized(8193))).toBe('longer than 8 KiB')
    expect(reasonOf('A'.repeat(10_000_000))).toBe('longer than 8 KiB')
  })

  test.each([
    ['nothing', ''],
    ['one segment', 'abc'],
    ['two segments', good.slice(0, good.lastIndexOf('.'))],
    ['four segments', `${good}.AAAA`],
    ['five segments, as a JWE has', `${good}.AAAA.AAAA`],
    ['no header', good.slice(good.indexOf('.'))],
    ['no payload', good.replace(/\..*\./, '..')],
    ['no signature', good.slice(0, good.lastIndexOf('.') + 1)],
  ])('%s', (_name, raw) => {
    expect(reasonOf(raw)).toBe('not three non-empty segments')
  })

  test.each([
    ['padding', (raw: string) => `${raw}==`],
    ['a space at the end', (raw: string) => `${raw} `],
    ['a line break inside', (raw: string) => `${raw.slice(0, -4)}\n${raw.slice(-4)}`],
    ['standard base64', (raw: string) => raw.replace(/.$/, '+')],
    ['a character of another alphabet', (raw: string) => `${raw.slice(0, -1)}?`],
    ['a full-width letter', (raw: string) => raw.replace(/^e/, '\uff45')],
    ['an impossible length', (raw: string) => raw.replace('.', 'A.').replace('.', 'A.')],
  ])('%s is not strict base64url', (_name, change) => {
    expect(() => readToken(change(good))).toThrow(ServiceError)
  })

  test('unused bits in the last character of each segment are refused', () => {
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

  test('whatever is accepted re-encodes to itself', () => {
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

  test('any text at all gives a token or a ServiceError, nothing else', () => {
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
})

describe('header', () => {
  test.each<[string, Part, string]>([
    ['alg missing', { kid: 'k1' }, 'alg'],
    ['alg null', { alg: null }, 'alg'],
    ['alg an array', { alg: ['ES256'] }, 'alg'],
    ['kid an object', { alg: 'ES256', kid: { a: 1 } }, 'kid'],
    ['kid null', { alg: 'ES256', kid: null }, 'kid'],
    ['kid of 257 characters', { alg: 'ES256', kid: 'k'.repeat(257) }, 'kid'],
    ['typ a number', { alg: 'ES256', typ: 1 }, 'typ'],
    ['crit', { alg: 'ES256', crit: ['exp'] }, 'crit'],
    ['crit, empty', { alg: 'ES256', crit: [] }, 'crit'],
    ['b64 false', { alg: 'ES256', b64: false }, 'b64'],
    ['b64 true', { alg: 'ES256', b64: true }, 'b64'],
    ['cty', { alg: 'ES256', cty: 'JWT' }, 'cty'],
  ])('%s', (_name, header, member) => {
    expect(reasonOf(token(header))).toMatch(new RegExp(`^header: ${member}: `))
  })

  test.each<[string, Part]>([
    ['an array', '[]'],
    ['null', 'null'],
    ['a string', '"ES256"'],
    ['a repeated key', '{"alg":"ES256","alg":"none"}'],
    ['a repeated key, escaped', '{"alg":"ES256","\\u0061lg":"none"}'],
    ['not JSON', 'ES256'],
    ['not UTF-8', Buffer.from([0x7b, 0xff, 0x7d])],
    ['33 levels deep', `{"alg":"ES256","x":${'['.repeat(32)}${']'.repeat(32)}}`],
  ])('that is %s is refused', (_name, header) => {
    expect(reasonOf(token(header))).toMatch(/^header: /)
  })

  test('kid of 256 characters passes', () => {
    expect(readToken(token({ alg: 'ES256', kid: 'k'.repeat(256) })).header.kid).toHaveLength(256)
  })
})

describe('payload', () => {
  test.each<[string, Part]>([
    ['an array', '[]'],
    ['null', 'null'],
    ['a number', '1'],
    ['a repeated key', '{"sub":"alice","sub":"bob"}'],
    ['a repeated key deep inside', '{"a":[{"b":1,"b":2}]}'],
    ['__proto__ as a key', '{"__proto__":{"sub":"alice"}}'],
    ['not JSON', 'foo'],
    ['not UTF-8', Buffer.from([0x7b, 0x22, 0xc3, 0x22, 0x7d])],
    ['3000 levels deep', `{"a":${'['.repeat(2900)}${']'.repeat(2900)}}`],
  ])('that is %s is refused', (_name, payload) => {
    expect(reasonOf(token({ alg: 'ES256' }, payload))).toMatch(/^payload: /)
  })
})
