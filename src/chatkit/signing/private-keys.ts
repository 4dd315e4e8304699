// Reads the private keys of a JWK set (RFC 7517 §5), and prepares each to sign.

import {
  constants,
  createPrivateKey,
  createPublicKey,
  createSecretKey,
  hash as digest,
  hkdfSync,
  type KeyObject,
  type SignKeyObjectInput,
  sign,
  verify,
} from 'node:crypto'
import type { JWK } from 'jose'
import { z } from 'zod'
import { UnusableSettingError } from '../../lib/errors.ts'
import { jsonOrUndefined } from '../../lib/json.ts'
import { MIN_RSA_BITS, MIN_RSA_EXPONENT } from '../../lib/key-set.ts'

/** Algorithms of the keys that sign. `Ed25519` is the newer name of `EdDSA` with that curve (RFC 9864). */
export const SIGNING_ALGORITHMS = ['ES256', 'EdDSA', 'Ed25519', 'RS256', 'PS256'] as const
export type SigningAlgorithm = (typeof SIGNING_ALGORITHMS)[number]

export interface PrivateSigningKey {
  readonly alg: SigningAlgorithm
  readonly kid: string
  /** The first argument of `crypto.sign`. */
  readonly hash: 'sha256' | null
  readonly key: SignKeyObjectInput
  readonly publicJwk: JWK
  /** Signs what this service alone reads. */
  readonly secret: KeyObject
}

const base64url = z.string().regex(/^[A-Za-z0-9_-]+$/)
const kid = z.string().min(1).max(256).optional()

const privateKey = z.discriminatedUnion('kty', [
  z.looseObject({
    kty: z.literal('EC'),
    crv: z.literal('P-256'),
    x: base64url,
    y: base64url,
    d: base64url,
    alg: z.literal('ES256').default('ES256'),
    kid,
  }),
  z.looseObject({
    kty: z.literal('OKP'),
    crv: z.literal('Ed25519'),
    x: base64url,
    d: base64url,
    alg: z.enum(['EdDSA', 'Ed25519']).default('EdDSA'),
    kid,
  }),
  z.looseObject({
    kty: z.literal('RSA'),
    n: base64url,
    e: base64url,
    d: base64url,
    // RFC 7518 §6.3.2 leaves these out of some keys; OpenSSL needs them.
    p: base64url,
    q: base64url,
    dp: base64url,
    dq: base64url,
    qi: base64url,
    alg: z.enum(['RS256', 'PS256']).default('RS256'),
    kid,
  }),
])
type PrivateKey = z.infer<typeof privateKey>

const privateKeySet = z.looseObject({ keys: z.array(privateKey).min(1).max(16) })

/** Separates the secret from all other uses of the private key (RFC 5869 §3.2). */
const SECRET_INFO = 'chatkit-mint: tokens that only this service reads'
/** Length of that secret: the same as that of its hash (RFC 7518 §3.2). */
const SECRET_BYTES = 32

const HOW = 'as npx chatkit-mint keys generate makes one'

/**
 * @param source - names the origin of the text in messages
 * @throws `UnusableSettingError`, which never holds a part of a key
 */
export function readPrivateKeys(text: string, source: string): PrivateSigningKey[] {
  return parse(text, source).map((jwk) => importKey(jwk, source))
}

function parse(text: string, source: string): PrivateKey[] {
  const json = jsonOrUndefined(text)
  if (json === undefined) {
    throw new UnusableSettingError(`${source}: not JSON; it must hold a private JWK set, ${HOW}`)
  }
  const parsed = privateKeySet.safeParse(json)
  if (parsed.success) return parsed.data.keys
  const where = parsed.error.issues.map(({ path }) => path.join('.') || 'keys').join(', ')
  throw new UnusableSettingError(
    `${source}: not a private JWK set of EC P-256, Ed25519 or RSA keys (look at ${where}), ${HOW}`,
  )
}

function importKey(jwk: PrivateKey, source: string): PrivateSigningKey {
  const { alg, d } = jwk
  const { shared, secretParts } = membersOf(jwk)
  const id = jwk.kid ?? thumbprint(shared)
  const publicJwk: JWK = { ...shared, alg, kid: id, use: 'sig' }
  try {
    const key = createPrivateKey({ key: { ...shared, d, ...secretParts }, format: 'jwk' })
    const bytes = hkdfSync('sha256', Buffer.from(d, 'base64url'), '', SECRET_INFO, SECRET_BYTES)
    const signer = signerOf(alg, key)
    requireUsable(key, signer, shared)
    return { alg, kid: id, ...signer, publicJwk, secret: createSecretKey(Buffer.from(bytes)) }
  } catch {
    throw new UnusableSettingError(`${source}: the key ${id} cannot be used; make a new one`)
  }
}

/**
 * RFC 7638.
 *
 * @param required - the members that its kind of key must have, and no others
 */
function thumbprint(required: JWK): string {
  return digest('sha256', JSON.stringify(required, Object.keys(required).sort()), 'base64url')
}

/** `shared`: the members of the public key; `secretParts`: those of the private one besides `d`. */
function membersOf(jwk: PrivateKey): { shared: JWK; secretParts: JWK } {
  if (jwk.kty === 'RSA') {
    const { kty, n, e, p, q, dp, dq, qi } = jwk
    return { shared: { kty, n, e }, secretParts: { p, q, dp, dq, qi } }
  }
  const { kty, crv, x } = jwk
  return { shared: jwk.kty === 'EC' ? { kty, crv, x, y: jwk.y } : { kty, crv, x }, secretParts: {} }
}

/** RFC 7518 §3.3 (RS256), §3.4 (ES256 is R and S, not DER), §3.5 (PS256), RFC 8037 §3.1 (EdDSA). */
function signerOf(alg: SigningAlgorithm, key: KeyObject): Pick<PrivateSigningKey, 'hash' | 'key'> {
  switch (alg) {
    case 'ES256':
      return { hash: 'sha256', key: { key, dsaEncoding: 'ieee-p1363' } }
    case 'RS256':
      return { hash: 'sha256', key: { key, padding: constants.RSA_PKCS1_PADDING } }
    case 'PS256': {
      const saltLength = constants.RSA_PSS_SALTLEN_DIGEST
      return { hash: 'sha256', key: { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength } }
    }
    default:
      return { hash: null, key: { key } }
  }
}

/** Refuses a weak key, and one whose public part does not verify what it signs. */
function requireUsable(
  privateKey: KeyObject,
  { hash, key }: Pick<PrivateSigningKey, 'hash' | 'key'>,
  publicJwk: JWK,
): void {
  const { modulusLength = MIN_RSA_BITS, publicExponent = MIN_RSA_EXPONENT } =
    privateKey.asymmetricKeyDetails ?? {}
  const publicKey = createPublicKey({ key: publicJwk, format: 'jwk' })
  const text = Buffer.from('probe')
  const fits = verify(hash, text, { ...key, key: publicKey }, sign(hash, text, key))
  if (modulusLength < MIN_RSA_BITS || publicExponent < MIN_RSA_EXPONENT || !fits) {
    throw new Error('the key is weak, or its public and private parts do not belong together')
  }
}
