import { expect, test } from 'vitest'
import { algorithmsBeyond, createSecretKeys } from '../../../src/authenticate/keys/secret-keys.ts'
import { openToken } from '../../../src/authenticate/token-shape.ts'
import { verifySignature } from '../../../src/authenticate/verify-signature.ts'
import { Secret } from '../../../src/lib/secret.ts'
import { createSecretSigner } from '../../support/tokens.ts'

const before = 'the secret before, 32 bytes long.'
const after = 'the secret afterwards, 32 bytes long.'

function verifies(keys: ReturnType<typeof createSecretKeys>, secret: string): Promise<boolean> {
  const token = createSecretSigner('HS256', secret).token({ sub: 'alice' })
  return verifySignature(openToken(token), keys, ['HS256']).then(
    () => true,
    () => false,
  )
}

const ignore = () => undefined

test('a new secret replaces the old one, unless it cannot be one', async () => {
  const refused: string[] = []
  let secret: Secret | undefined = new Secret(before)
  const keys = createSecretKeys(
    () => secret,
    (problem) => refused.push(problem),
  )
  expect(await verifies(keys, before)).toBe(true)
  secret = undefined
  expect(await verifies(keys, before)).toBe(true)
  secret = new Secret('short')
  expect(await verifies(keys, 'short')).toBe(false)
  expect(await verifies(keys, before)).toBe(true)
  // Everybody knows a public key, so everybody could make tokens with it.
  const publicKey = `-----BEGIN PUBLIC KEY-----\n${'A'.repeat(64)}\n-----END PUBLIC KEY-----`
  secret = new Secret(publicKey)
  expect(await verifies(keys, publicKey)).toBe(false)
  expect(await verifies(keys, before)).toBe(true)
  expect(refused).toEqual([
    expect.stringContaining('is shorter than 32 bytes'),
    expect.stringContaining('is a token, a PEM or a JWK'),
  ])
  secret = new Secret(after)
  expect(await verifies(keys, after)).toBe(true)
  expect(await verifies(keys, before)).toBe(false)
})

test('the least length of a secret counts bytes, not characters', () => {
  expect(() => createSecretKeys(() => new Secret('é'.repeat(16)), ignore)).not.toThrow()
  expect(() => createSecretKeys(() => new Secret('é'.repeat(15)), ignore)).toThrow('fewer than 32')
})

test('a secret is checked for the algorithms that need a longer one (RFC 7518 §3.2)', () => {
  const algorithms = ['HS256', 'HS384', 'HS512']
  expect(algorithmsBeyond(new Secret('x'.repeat(32)), algorithms)).toEqual(['HS384', 'HS512'])
  expect(algorithmsBeyond(new Secret('x'.repeat(64)), algorithms)).toEqual([])
})
