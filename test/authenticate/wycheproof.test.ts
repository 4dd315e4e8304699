import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import type { IssuerKeys } from '../../src/authenticate/keys/issuer-keys.ts'
import { createFindKeys, createFixedKeys } from '../../src/authenticate/keys/local-keys.ts'
import { createHmacKeys } from '../../src/authenticate/keys/secret-keys.ts'
import { openToken } from '../../src/authenticate/token-shape.ts'
import { verifySignature } from '../../src/authenticate/verify-signature.ts'
import { usableKeys } from '../../src/lib/key-set.ts'

// Project Wycheproof's JWS vectors against the checks of form, keys and signature: everything but the
// claims, which most vectors do not have (their payload is text).

const folder = new URL('../../../shared/vectors/wycheproof/', import.meta.url)
const present = existsSync(folder)

const keySchema = z.looseObject({
  kty: z.string().optional(),
  alg: z.string().optional(),
  k: z.string().optional(),
  keys: z
    .array(z.looseObject({ kty: z.string(), alg: z.string().optional(), k: z.string().optional() }))
    .optional(),
})
const vectorSchema = z.looseObject({
  tcId: z.number(),
  comment: z.string(),
  result: z.enum(['valid', 'invalid']),
  jws: z.unknown().optional(),
  jwe: z.unknown().optional(),
})
const fileSchema = z.looseObject({
  testGroups: z.array(
    z.looseObject({
      comment: z.string(),
      public: keySchema.optional(),
      private: keySchema.optional(),
      tests: z.array(vectorSchema),
    }),
  ),
})
const manifestSchema = z.looseObject({
  profile_overrides: z.array(
    z.looseObject({ file: z.string(), tcIds: z.array(z.number()), ours: z.string() }),
  ),
})

type Key = z.infer<typeof keySchema>

/** Where this service differs besides the manifest, and why. */
const OWN_OVERRIDES = [
  {
    file: 'json_web_key_test.json',
    tcIds: [2],
    ours: 'invalid',
    why: 'a JWK set of symmetric keys: published secrets are refused',
  },
  {
    file: 'json_web_key_test.json',
    tcIds: [11, 12],
    ours: 'valid',
    why: 'HS384 and HS512 with short keys: the minimum is 32 bytes for all three, with a warning',
  },
  {
    file: 'json_web_crypto_test.json',
    tcIds: [48],
    ours: 'invalid',
    why: 'a JWK set of symmetric keys: published secrets are refused',
  },
  {
    file: 'json_web_signature_test.json',
    tcIds: [367, 370],
    ours: 'valid',
    why: 'byte-identical to the valid vector 357',
  },
]

const read = (name: string): unknown => JSON.parse(readFileSync(new URL(name, folder), 'utf8'))

function overridesOf(file: string): Map<number, 'valid' | 'invalid'> {
  const { profile_overrides } = manifestSchema.parse(read('manifest.json'))
  const outcome = (ours: string) => (ours.startsWith('valid') ? 'valid' : 'invalid')
  return new Map(
    [...profile_overrides, ...OWN_OVERRIDES]
      .filter((override) => override.file === file)
      .flatMap(({ tcIds, ours }) => tcIds.map((tcId) => [tcId, outcome(ours)] as const)),
  )
}

/** The key as the service would be configured with it: a secret, or a key set. */
function keysOf(key: Key): IssuerKeys {
  const list = key.keys ?? [key]
  const [only] = list
  if (list.length === 1 && only?.kty === 'oct') {
    return createFixedKeys(createHmacKeys(Buffer.from(String(only.k), 'base64url')))
  }
  return createFixedKeys(createFindKeys(usableKeys({ keys: list }, () => undefined)))
}

/** The algorithms that the service would be configured with: those of the keys. */
function algorithmsOf(key: Key): string[] {
  const named = (key.keys ?? [key]).flatMap(({ alg }) => (alg === undefined ? [] : [alg]))
  return named.length > 0 ? named : ['RS256', 'ES256']
}

async function outcomeOf(token: unknown, key: Key): Promise<'valid' | 'invalid'> {
  try {
    const raw = typeof token === 'string' ? token : JSON.stringify(token)
    await verifySignature(openToken(raw), keysOf(key), algorithmsOf(key))
    return 'valid'
  } catch {
    return 'invalid'
  }
}

const vectors = (file: string) =>
  fileSchema
    .parse(read(file))
    .testGroups.flatMap((group) =>
      group.tests.map((vector) => ({
        ...vector,
        key: group.public ?? group.private ?? {},
        name: `${vector.tcId} ${group.comment}: ${vector.comment}`,
      })),
    )

describe.runIf(present).each([
  ['json_web_signature_test.json', 401],
  ['json_web_key_test.json', 26],
  ['json_web_crypto_test.json', 49],
])('Wycheproof %s', (file, count) => {
  const signed = present ? vectors(file).filter(({ jws }) => jws !== undefined) : []
  const overrides = present ? overridesOf(file) : new Map<number, string>()

  test.runIf(present)('all vectors are here', () => expect(signed).toHaveLength(count))

  test.each(signed)('$name', async ({ tcId, jws, result, key }) => {
    expect(await outcomeOf(jws, key)).toBe(overrides.get(tcId) ?? result)
  })
})

describe.runIf(present)('Wycheproof: encrypted tokens are refused before any key is used', () => {
  const encrypted = present
    ? vectors('json_web_crypto_test.json').filter(({ jwe }) => jwe !== undefined)
    : []

  test.each(encrypted)('$name', ({ jwe }) => {
    const raw = typeof jwe === 'string' ? jwe : JSON.stringify(jwe)
    expect(() => openToken(raw)).toThrow(/invalid_token/)
  })
})
