import { format, inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { newId } from '../../src/lib/ids.ts'
import { hashSecret, Secret, scrub } from '../../src/lib/secret.ts'

const VALUE = 'sk-test-0123456789abcdef'

describe('Secret', () => {
  const secret = new Secret(VALUE)

  test('shows its value only by reveal', () => {
    expect(secret.reveal()).toBe(VALUE)
  })

  test.each<[string, () => string]>([
    ['a template', () => `${secret}`],
    ['concatenation', () => `key: ${String(secret)}`],
    ['JSON', () => JSON.stringify({ secret, list: [secret] })],
    ['inspect', () => inspect(secret, { showHidden: true, depth: 9 })],
    ['inspect within an object', () => inspect({ deep: { secret } }, { depth: 9 })],
    ['console formats', () => format('%s %o %O %j', secret, secret, secret, secret)],
    ['an error', () => inspect(new Error('x', { cause: secret }))],
    ['a copy of its properties', () => JSON.stringify({ ...secret })],
    ['its keys', () => Reflect.ownKeys(secret).join()],
  ])('is not shown by %s', (_name, print) => {
    expect(print()).not.toContain(VALUE)
    expect(print()).not.toContain('0123')
  })

  test('has its last four characters as a hint, and none if it is short', () => {
    expect(secret.hint()).toBe('…cdef')
    expect(new Secret('sk-test1').hint()).toBe('…est1')
    expect(new Secret('sk-test').hint()).toBe('…')
    expect(new Secret('').hint()).toBe('…')
  })
})

test('a client secret is hashed with SHA-256, in hex', () => {
  // FIPS 180-2, example B.1.
  const abc = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'
  expect(hashSecret(new Secret('abc'))).toBe(abc)
})

test('a new id has its prefix and 128 bits, never repeats, and is never redacted', () => {
  const ids = Array.from({ length: 100_000 }, () => newId('req_'))
  expect(new Set(ids).size).toBe(ids.length)
  for (const id of ids) {
    if (!/^req_[0-9a-f]{32}$/.test(id)) expect.fail(id)
  }
  expect(scrub(ids.join('"'))).toBe(ids.join('"'))
})
