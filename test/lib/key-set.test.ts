import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { usableKeys } from '../../src/lib/key-set.ts'
import { createSigner } from '../support/tokens.ts'

const es = createSigner('ES256', 'es')
const rs = createSigner('RS256', 'rs')
const ed = createSigner('EdDSA', 'ed')
const jwk = (key: KeyObject) => key.export({ format: 'jwk' }) as Record<string, unknown>

const usable = (set: unknown, leftOut: string[] = []) =>
  usableKeys(set, (reasons) => leftOut.push(...reasons))

const reasonOf = (set: unknown): string => {
  try {
    usable(set)
  } catch (error) {
    return (error as { reason: string }).reason
  }
  return 'accepted'
}

describe('a set that is taken', () => {
  test('a key keeps only the members that verification needs', () => {
    const extra = { x5c: ['AAAA'], x5u: 'http://127.0.0.1:1/', key_ops: ['verify'], ext: 'yes' }
    const keys = usable({ keys: [{ ...es.publicJwk, ...extra }], other: 1 })
    const { kty, crv, x, y } = es.publicJwk
    expect(keys).toEqual([{ kty, crv, x, y, kid: 'es', alg: 'ES256' }])
  })

  test.each<[string, Record<string, unknown>]>([
    ['use: enc', { ...rs.publicJwk, use: 'enc' }],
    ['key_ops without verify', { ...rs.publicJwk, key_ops: ['encrypt'] }],
    ['an algorithm that is not for signatures', { ...rs.publicJwk, alg: 'RSA-OAEP-256' }],
    ['an unknown algorithm', { ...es.publicJwk, alg: 'ES521' }],
    ['an unknown kty', { kty: 'AKP', alg: 'ML-DSA-44', pub: 'AAAA', kid: 'pq' }],
    ['an unknown curve', { kty: 'EC', crv: 'secp256k1', x: 'AAAA', y: 'AAAA' }],
    ['the curve X25519', jwk(generateKeyPairSync('x25519').publicKey)],
    ['the curve Ed448', jwk(generateKeyPairSync('ed448').publicKey)],
  ])('a key is left out of the set if it has %s', (_name, key) => {
    expect(usable({ keys: [key, ed.publicJwk] }).map(({ kid }) => kid)).toEqual(['ed'])
    expect(reasonOf({ keys: [key] })).toMatch(/no key for signatures/)
  })

  test('members that are null, and no operations, count as absent, as .NET writes them', () => {
    const absent = { use: null, d: null, k: null, oth: null, x5c: [], key_ops: [], x5t: null }
    const { use: _, alg: __, ...key } = rs.publicJwk
    expect(usable({ keys: [{ ...key, alg: null, ...absent }] }).map(({ kid }) => kid)).toEqual([
      'rs',
    ])
    expect(reasonOf({ keys: [{ ...key, ...absent, d: 'AAAA' }] })).toMatch(/key 0 is private/)
  })

  test('the kid of a key for another use may be that of a key for signatures', () => {
    const twin = { ...rs.publicJwk, kid: 'ed', use: 'enc' }
    expect(usable({ keys: [twin, ed.publicJwk] })).toHaveLength(1)
  })

  test('several keys of a set may have no kid', () => {
    const bare = [createSigner('ES256', null), createSigner('ES256', null)]
    expect(usable({ keys: bare.map(({ publicJwk }) => publicJwk) })).toHaveLength(2)
  })

  test('a set of 100 keys is accepted, a larger one refused', () => {
    const keys = Array.from({ length: 101 }, (_, i) => ({ ...es.publicJwk, kid: `k${i}` }))
    expect(usable({ keys: keys.slice(1) })).toHaveLength(100)
    expect(reasonOf({ keys })).toMatch(/not a JWK set: keys/)
  })
})

describe('a key that cannot be used is left out, and the others of its set stay', () => {
  const small = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey
  const cubic = generateKeyPairSync('rsa', { modulusLength: 2048, publicExponent: 3 }).publicKey
  test.each<[string, unknown, RegExp]>([
    ['symmetric', { kty: 'oct', k: 'AAAA', kid: 's' }, /symmetric/],
    ['symmetric with an algorithm', { kty: 'oct', k: 'AAAA', alg: 'HS256' }, /symmetric/],
    ['symmetric without its value', { kty: 'oct' }, /symmetric/],
    ['an RSA key of 1024 bits', jwk(small), /fewer than 2048 bits/],
    ['an RSA key with e = 3', jwk(cubic), /exponent/],
    ['an RSA key with e = 1', { ...rs.publicJwk, kid: 'e1', e: 'AQ' }, /exponent|malformed/],
    ['of an unknown kind', { kty: 'AKP', pub: 'AAAA', kid: 'pq' }, /does not know/],
    ['an EC key whose point is off the curve', { ...es.publicJwk, x: es.publicJwk['y'] }, /malf/],
    ['an RSA key without a modulus', { kty: 'RSA', e: 'AQAB' }, /malformed/],
    ['a key with a number as kid', { ...es.publicJwk, kid: 1 }, /kid/],
    ['a key without kty', { kid: 'x' }, /kty/],
    ['null', null, /object/],
    ['text', 'key', /object/],
  ])('%s', (_name, key, reason) => {
    const leftOut: string[] = []
    const keys = usable({ keys: [ed.publicJwk, key, rs.publicJwk] }, leftOut)
    expect(keys.map(({ kid }) => kid)).toEqual(['ed', 'rs'])
    expect(leftOut).toEqual([expect.stringMatching(reason)])
    expect(leftOut[0]).toMatch(/^key 1: /)
    expect(reasonOf({ keys: [key] })).toMatch(reason)
  })
})

describe('keys with one kid', () => {
  test('the same key twice counts once, whatever else stands beside it', () => {
    const twin = { ...rs.publicJwk, x5c: ['AAAA'], key_ops: ['verify'] }
    expect(usable({ keys: [rs.publicJwk, ed.publicJwk, twin, rs.publicJwk] })).toHaveLength(2)
  })

  test.each<[string, Record<string, unknown>]>([
    ['an EC key and an RSA key', { ...es.publicJwk, kid: 'rs' }],
    ['one RSA key for RS256 and PS256', { ...rs.publicJwk, alg: 'PS256' }],
  ])('%s both stay', (_name, key) => {
    expect(usable({ keys: [rs.publicJwk, key] })).toHaveLength(2)
  })
})

describe('a set that is refused as a whole', () => {
  test.each<[string, Record<string, unknown>, RegExp]>([
    ['a private EC key', jwk(es.privateKey), /private/],
    ['a private RSA key', jwk(rs.privateKey), /private/],
    ['a private Ed25519 key', jwk(ed.privateKey), /private/],
    ['a private key for encryption', { ...jwk(rs.privateKey), use: 'enc' }, /private/],
    ['a private key of an unknown kind', { kty: 'AKP', priv: 'AAAA' }, /private/],
    ['a private key that is malformed', { ...jwk(es.privateKey), kid: 1 }, /private/],
    ['a private key without kty', { d: 'AAAA' }, /private/],
  ])('a set is refused as a whole if it holds %s', (_name, key, reason) => {
    expect(reasonOf({ keys: [ed.publicJwk, key] })).toMatch(reason)
  })

  test.each([
    ['empty', { keys: [] }],
    ['an array', [es.publicJwk]],
    ['a single key', es.publicJwk],
    ['an object whose keys are no array', { keys: { es: es.publicJwk } }],
    ['a list with only null in it', { keys: [null] }],
    ['null', null],
    ['text', 'keys'],
  ])('a key set that is %s is refused', (_name, set) => {
    expect(reasonOf(set)).toMatch(/^key set refused: /)
  })
})
