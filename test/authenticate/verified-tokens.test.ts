import { expect, test } from 'vitest'
import type { IssuerKeys } from '../../src/authenticate/keys/issuer-keys.ts'
import { createVerifiedTokens, type VerifiedToken } from '../../src/authenticate/verified-tokens.ts'
import { issuerSettings } from '../support/issuer-settings.ts'

// The cache of verified tokens alone: which tokens are found in it, and how many it holds.

const verified = (subject: string): VerifiedToken => ({
  settings: issuerSettings(),
  keys: {} as IssuerKeys,
  keysVersion: 1,
  characters: 100,
  times: { iat: undefined, nbf: undefined, exp: 1 },
  principal: {
    issuer: 'https://id',
    subject,
    claims: { sub: subject, groups: ['staff'], deep: { er: {} } },
    expiresAt: 1,
    issuedAt: undefined,
    sid: undefined,
  },
})
const token = (name: string | number) => `${name}`.padEnd(100, '-')

test('a remembered token is found by exactly its own text', () => {
  const tokens = createVerifiedTokens()
  tokens.remember(token('a'), verified('alice'))
  expect(tokens.find(token('a'))?.principal.subject).toBe('alice')
  expect(tokens.find(token('A'))).toBeUndefined()
  expect(tokens.find(`${token('a')}-`)).toBeUndefined()
  expect(tokens.find('')).toBeUndefined()
})

test('a token can be forgotten from either generation', () => {
  const tokens = createVerifiedTokens(250)
  for (const name of ['a', 'b', 'c']) tokens.remember(token(name), verified(name))
  for (const name of ['a', 'c']) {
    expect(tokens.find(token(name))).toBeDefined()
    tokens.forget(token(name))
    expect(tokens.find(token(name))).toBeUndefined()
  }
})

test('a token in use stays, a token that nobody uses is dropped', () => {
  const tokens = createVerifiedTokens(1000)
  tokens.remember(token('used'), verified('used'))
  tokens.remember(token('idle'), verified('idle'))
  for (let at = 0; at < 100; at++) {
    tokens.remember(token(at), verified(String(at)))
    expect(tokens.find(token('used')), String(at)).toBeDefined()
  }
  expect(tokens.find(token('idle'))).toBeUndefined()
})

test('the memory holds the tokens of at most two generations', () => {
  const tokens = createVerifiedTokens(1000)
  for (let at = 0; at < 500; at++) tokens.remember(token(at), verified(String(at)))
  const known = Array.from({ length: 500 }, (_, at) => at).filter((at) => tokens.find(token(at)))
  expect(known.length).toBeLessThanOrEqual(20)
  expect(known.length).toBeGreaterThanOrEqual(10)
})

test('one request cannot change what the next one gets', () => {
  const tokens = createVerifiedTokens()
  tokens.remember(token('a'), verified('alice'))
  const claims = tokens.find(token('a'))?.principal.claims as {
    sub: string
    groups: string[]
    deep: { er: Record<string, unknown> }
  }
  expect(() => claims.groups.push('admin')).toThrow(TypeError)
  expect(() => Object.assign(claims, { sub: 'mallory' })).toThrow(TypeError)
  expect(() => Object.assign(claims.deep.er, { admin: true })).toThrow(TypeError)
  expect(tokens.find(token('a'))?.principal.claims).toEqual(verified('alice').principal.claims)
})
