import { generateKeyPairSync } from 'node:crypto'
import { calculateJwkThumbprint, decodeProtectedHeader, exportJWK, generateKeyPair } from 'jose'
import { describe, expect, test } from 'vitest'
import type { SigningAlgorithm } from '../../../src/chatkit/signing/private-keys.ts'
import {
  makeSigningKeys,
  openSigningKeys,
  readSigningKeys,
  signingKeyProblems,
} from '../../../src/chatkit/signing/signing-keys.ts'
import { Secret } from '../../../src/lib/secret.ts'
import { leaksIn } from '../../support/leaks.ts'
import { createSecretSigner, handMade } from '../../support/tokens.ts'

const NOW = 1_800_000_000
const nowMs = NOW * 1000
const TYPE = 'test+jwt'
const CLAIMS = {
  iss: 'https://mint.test',
  aud: 'chatkit:helpdesk',
  sub: 'alice',
  sid: 'cksess_1',
  jti: 'jti_1',
  iat: NOW,
  exp: NOW + 60,
}
const EXPECTED = { issuer: CLAIMS.iss, audience: CLAIMS.aud, type: TYPE, nowMs }

type Jwk = Record<string, unknown>

async function privateJwk(alg: SigningAlgorithm, more: Jwk = {}): Promise<Jwk> {
  return { ...(await newJwk(alg)), ...((alg === 'PS256' || alg === 'Ed25519') && { alg }), ...more }
}

const newJwk = async (alg: string) =>
  exportJWK((await generateKeyPair(alg, { extractable: true })).privateKey)

const rsaJwk = (modulusLength: number, publicExponent: number): object =>
  generateKeyPairSync('rsa', { modulusLength, publicExponent }).privateKey.export({ format: 'jwk' })

const setOf = (...keys: readonly object[]) => JSON.stringify({ keys })
const read = (...keys: readonly object[]) => readSigningKeys(setOf(...keys), 'the file')

describe.each(['ES256', 'EdDSA', 'Ed25519', 'RS256', 'PS256'] as const)('%s', (alg) => {
  test('what is signed is verified, and the header names algorithm, key and type', async () => {
    const keys = read(await privateJwk(alg, { alg }))
    const token = keys.sign(CLAIMS, TYPE)
    expect(await keys.verify(token, EXPECTED)).toEqual(CLAIMS)
    expect(decodeProtectedHeader(token)).toEqual({
      alg,
      typ: TYPE,
      kid: keys.publicKeys.keys[0]?.kid,
    })
  })

  test('a token that is spelt in another way is refused', async () => {
    const keys = read(await privateJwk(alg))
    const ways: readonly (readonly [string, (text: string) => Promise<unknown>])[] = [
      [keys.sign(CLAIMS, TYPE), (text) => keys.verify(text, EXPECTED)],
      [keys.signForSelf(CLAIMS, TYPE), (text) => keys.verifyForSelf(text, EXPECTED)],
    ]
    for (const [token, verify] of ways) {
      const signature = Buffer.from(token.slice(token.lastIndexOf('.') + 1), 'base64url')
      const others = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_']
        .map((last) => token.slice(0, -1) + last)
        .filter((text) => text !== token)
      const same = others.filter((text) =>
        Buffer.from(text.slice(text.lastIndexOf('.') + 1), 'base64url').equals(signature),
      )
      expect(same).not.toEqual([])
      for (const text of [...others, `${token}=`, `${token} `]) {
        await expect(verify(text)).rejects.toThrow()
      }
      expect(await verify(token)).toEqual(CLAIMS)
    }
  })

  test('the public set has no private part, and nothing else of the file', async () => {
    const jwk = await privateJwk(alg, { key_ops: ['sign'], note: 'planted' })
    const { publicKeys } = read(jwk)
    const text = JSON.stringify(publicKeys)
    const secrets = Object.entries(jwk).filter(([name]) => /^(?:d|p|q|dp|dq|qi)$/.test(name))
    const planted = secrets.map(([what, value]) => ({ what, value: String(value) }))
    expect(leaksIn(text, planted)).toEqual([])
    const own = {
      ES256: ['crv', 'x', 'y'],
      EdDSA: ['crv', 'x'],
      Ed25519: ['crv', 'x'],
      RS256: ['e', 'n'],
      PS256: ['e', 'n'],
    }
    const members = ['alg', 'kid', 'kty', 'use', ...own[alg]].toSorted()
    expect(Object.keys(publicKeys.keys[0] ?? {}).toSorted()).toEqual(members)
  })

  test('a key without a kid gets its RFC 7638 thumbprint as kid', async () => {
    const jwk = await privateJwk(alg)
    const { publicKeys } = read(jwk)
    expect(publicKeys.keys[0]?.kid).toBe(await calculateJwkThumbprint(jwk as { kty: string }))
  })

  test('a key with a kid keeps it', async () => {
    const { publicKeys } = read(await privateJwk(alg, { kid: '2026-11' }))
    expect(publicKeys.keys[0]?.kid).toBe('2026-11')
  })

  test('another key’s signature is refused, also under the same kid', async () => {
    const keys = read(await privateJwk(alg, { kid: 'k' }))
    for (const kid of ['k', 'other']) {
      const foreign = read(await privateJwk(alg, { kid }))
      await expect(keys.verify(foreign.sign(CLAIMS, TYPE), EXPECTED)).rejects.toThrow()
    }
  })
})

describe('rotation', () => {
  test('the first key signs, all keys verify, and a removed key does not', async () => {
    const [old, next] = [await privateJwk('ES256'), await privateJwk('EdDSA')]
    const before = read(old)
    const during = read(next, old)
    const after = read(next)
    const signedBefore = before.sign(CLAIMS, TYPE)
    const signedDuring = during.sign(CLAIMS, TYPE)
    expect(decodeProtectedHeader(signedDuring).alg).toBe('EdDSA')
    expect(await during.verify(signedBefore, EXPECTED)).toEqual(CLAIMS)
    expect(await during.verify(signedDuring, EXPECTED)).toEqual(CLAIMS)
    expect(await after.verify(signedDuring, EXPECTED)).toEqual(CLAIMS)
    await expect(after.verify(signedBefore, EXPECTED)).rejects.toThrow()
    expect(during.publicKeys.keys.map(({ alg }) => alg)).toEqual(['EdDSA', 'ES256'])
  })

  test('instances in the middle of a rotation accept each other’s tokens', async () => {
    const [old, next] = [await privateJwk('ES256'), await privateJwk('ES256')]
    const [behind, ahead] = [read(old, next), read(next, old)]
    expect(await behind.verify(ahead.sign(CLAIMS, TYPE), EXPECTED)).toEqual(CLAIMS)
    expect(await ahead.verify(behind.sign(CLAIMS, TYPE), EXPECTED)).toEqual(CLAIMS)
  })
})

describe('a token is refused', () => {
  test.each<readonly [what: string, claims: object, type: string]>([
    ['with another type', CLAIMS, 'JWT'],
    ['of another issuer', { ...CLAIMS, iss: 'https://mint.test/' }, TYPE],
    ['for another audience', { ...CLAIMS, aud: 'chatkit:other' }, TYPE],
    ['when it has expired, to the second', { ...CLAIMS, exp: NOW }, TYPE],
    ['before its time', { ...CLAIMS, nbf: NOW + 1 }, TYPE],
    ...(['exp', 'iat', 'sub', 'sid', 'jti', 'iss', 'aud'] as const).map(
      (name) => [`without ${name}`, { ...CLAIMS, [name]: undefined }, TYPE] as const,
    ),
  ])('%s', async (_what, claims, type) => {
    const keys = read(await privateJwk('ES256'))
    const given = JSON.parse(JSON.stringify(claims))
    await expect(keys.verify(keys.sign(given, type), EXPECTED)).rejects.toThrow()
    await expect(keys.verifyForSelf(keys.signForSelf(given, type), EXPECTED)).rejects.toThrow()
  })

  test('not yet in the last second of its life', async () => {
    const keys = read(await privateJwk('ES256'))
    const token = keys.sign({ ...CLAIMS, exp: NOW + 1 }, TYPE)
    expect(await keys.verify(token, EXPECTED)).toMatchObject({ sub: 'alice' })
  })
})

describe('a token that only this service reads', () => {
  test.each(['ES256', 'EdDSA'] as const)(
    'is verified by another instance with the same %s key',
    async (alg) => {
      const jwk = await privateJwk(alg)
      const [one, other] = [read(jwk), read(await privateJwk('ES256'), jwk)]
      const token = one.signForSelf(CLAIMS, TYPE)
      expect(await other.verifyForSelf(token, EXPECTED)).toEqual(CLAIMS)
      const { kid } = one.publicKeys.keys[0] ?? {}
      expect(decodeProtectedHeader(token)).toEqual({ alg: 'HS256', typ: TYPE, kid })
    },
  )

  test('is refused after a change, when another key signed it, and when its key was removed', async () => {
    const keys = read(await privateJwk('ES256', { kid: 'k' }))
    const [head, payload, signature = ''] = keys.signForSelf(CLAIMS, TYPE).split('.')
    const bob = Buffer.from(JSON.stringify({ ...CLAIMS, sub: 'bob' })).toString('base64url')
    const changed = `${signature[0] === 'A' ? 'B' : 'A'}${signature.slice(1)}`
    const foreign = [
      read(await privateJwk('ES256', { kid: 'k' })).signForSelf(CLAIMS, TYPE),
      read(await privateJwk('ES256', { kid: 'removed' })).signForSelf(CLAIMS, TYPE),
    ]
    for (const token of [
      `${head}.${bob}.${signature}`,
      `${head}.${payload}.${changed}`,
      `${head}.${payload}.`,
      ...foreign,
    ]) {
      await expect(keys.verifyForSelf(token, EXPECTED)).rejects.toThrow()
    }
  })

  test('is no signed token, and a signed token is none of them', async () => {
    const keys = read(await privateJwk('ES256'))
    await expect(keys.verify(keys.signForSelf(CLAIMS, TYPE), EXPECTED)).rejects.toThrow()
    await expect(keys.verifyForSelf(keys.sign(CLAIMS, TYPE), EXPECTED)).rejects.toThrow()
  })

  test('needs more than the public key, the private number or no algorithm', async () => {
    const jwk = await privateJwk('ES256', { kid: 'k' })
    const keys = read(jwk)
    const texts = [JSON.stringify(keys.publicKeys.keys[0]), String(jwk['x']), String(jwk['d'])]
    const secrets = texts.flatMap((text) => [text, Buffer.from(text, 'base64url')])
    for (const secret of secrets) {
      const forged = createSecretSigner('HS256', secret, 'k').token(CLAIMS, { typ: TYPE })
      await expect(keys.verifyForSelf(forged, EXPECTED)).rejects.toThrow()
    }
    const none = handMade({ alg: 'none', kid: 'k', typ: TYPE }, CLAIMS, Buffer.alloc(0))
    await expect(keys.verifyForSelf(none, EXPECTED)).rejects.toThrow()
  })
})

describe('a token is refused for algorithm confusion:', () => {
  test('HMAC with the public key as the secret', async () => {
    const keys = read(await privateJwk('ES256'))
    const [jwk] = keys.publicKeys.keys
    const secrets = [JSON.stringify(jwk), String(jwk?.x), Buffer.from(String(jwk?.x), 'base64url')]
    for (const secret of secrets) {
      for (const alg of ['HS256', 'HS384', 'HS512'] as const) {
        const forged = createSecretSigner(alg, secret, jwk?.kid).token(CLAIMS, { typ: TYPE })
        await expect(keys.verify(forged, EXPECTED)).rejects.toThrow()
      }
    }
  })

  test.each(['none', 'None', '', 'ES384', 'EdDSA', 'RS256'])(
    'a header that says %j, over a signature that was good',
    async (alg) => {
      const keys = read(await privateJwk('ES256'))
      const token = keys.sign(CLAIMS, TYPE)
      const { kid } = decodeProtectedHeader(token)
      const signature = Buffer.from(token.split('.')[2] ?? '', 'base64url')
      const header = { alg, kid, typ: TYPE }
      for (const bytes of [signature, Buffer.alloc(0)]) {
        const forged = handMade(header, CLAIMS, bytes)
        await expect(keys.verify(forged, EXPECTED)).rejects.toThrow()
      }
    },
  )

  test('a key that the header brings along', async () => {
    const keys = read(await privateJwk('ES256', { kid: 'k' }))
    const foreign = read(await privateJwk('ES256', { kid: 'k' }))
    const token = foreign.sign(CLAIMS, TYPE)
    const header = { alg: 'ES256', kid: 'k', typ: TYPE, jwk: foreign.publicKeys.keys[0] }
    const forged = handMade(header, CLAIMS, Buffer.from(token.split('.')[2] ?? '', 'base64url'))
    await expect(keys.verify(forged, EXPECTED)).rejects.toThrow()
  })
})

describe('a file that cannot be used says where, and nothing of a key', () => {
  test.each([
    ['no JSON', async () => '{'],
    ['no keys', async () => setOf()],
    ['a set that is none', async () => '[]'],
    ['a public key', async () => setOf(await privateJwk('ES256', { d: undefined }))],
    ['a shared secret', async () => setOf({ kty: 'oct', k: 'c2VjcmV0LXBsYW50ZWQ' })],
    ['a wrong algorithm', async () => setOf(await privateJwk('ES256', { alg: 'EdDSA' }))],
    ['a curve that is not taken', async () => setOf(await newJwk('ES384'))],
    ['an RSA key of 1024 bits', async () => setOf(rsaJwk(1024, 65_537))],
    ['an RSA key with the exponent 3', async () => setOf(rsaJwk(2048, 3))],
    ['an RSA key for RS512', async () => setOf(await privateJwk('RS256', { alg: 'RS512' }))],
    [
      'an RSA key without its primes',
      async () => setOf(await privateJwk('RS256', { p: undefined })),
    ],
    [
      'an RSA key with the modulus of another',
      async () => {
        const { n } = await privateJwk('RS256')
        return setOf(await privateJwk('RS256', { n }))
      },
    ],
    ['an empty kid', async () => setOf(await privateJwk('ES256', { kid: '' }))],
    [
      'a private part of another key',
      async () => {
        const { d } = await privateJwk('ES256')
        return setOf(await privateJwk('ES256', { d }))
      },
    ],
    [
      'the same key twice',
      async () => {
        const jwk = await privateJwk('ES256')
        return setOf(jwk, jwk)
      },
    ],
    [
      'one kid for two keys',
      async () =>
        setOf(await privateJwk('ES256', { kid: 'a' }), await privateJwk('EdDSA', { kid: 'a' })),
    ],
    [
      'seventeen keys',
      async () =>
        setOf(...(await Promise.all(Array.from({ length: 17 }, () => privateJwk('ES256'))))),
    ],
  ])('%s', async (_what, make) => {
    const text = await make()
    const [message = ''] = signingKeyProblems(new Secret(text))
    expect(message).toMatch(/^SIGNING_KEY_FILE: /)
    const parts = text.matchAll(/"(?:d|k|p|q|dp|dq|qi)":"([^"]+)"/g)
    const planted = [...parts].map(([, value = '']) => ({ what: 'private part', value }))
    expect(leaksIn(message, planted)).toEqual([])
  })
})

describe('opening', () => {
  test('the keys of the file win over those in the store', async () => {
    const file = makeSigningKeys()
    const keep = async () => {
      throw new Error('was asked')
    }
    const keys = await openSigningKeys(new Secret(file), keep)
    expect(keys.publicKeys).toEqual(readSigningKeys(file, 'f').publicKeys)
  })

  test('without a file, the keys that were stored first win, however many instances offer theirs', async () => {
    let kept: Uint8Array | undefined
    const keep = async (make: () => Uint8Array) => {
      kept ??= make()
      return kept
    }
    const [first, second] = [
      await openSigningKeys(undefined, keep),
      await openSigningKeys(undefined, keep),
    ]
    expect(second.publicKeys).toEqual(first.publicKeys)
    expect(await second.verify(first.sign(CLAIMS, TYPE), EXPECTED)).toEqual(CLAIMS)
  })
})
