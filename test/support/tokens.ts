import {
  constants,
  createHmac,
  sign as cryptoSign,
  generateKeyPairSync,
  type KeyObject,
} from 'node:crypto'

// Key pairs and tokens, well-formed and not: everything is signed here with node:crypto, so that a
// test can sign what a JOSE library would refuse to.

export type KeyPairAlgorithm =
  | `${'RS' | 'PS'}${256 | 384 | 512}`
  | 'ES256'
  | 'ES384'
  | 'ES512'
  | 'EdDSA'
  | 'Ed25519'

export type SecretAlgorithm = 'HS256' | 'HS384' | 'HS512'

/** A JSON object, or its text or bytes when the text itself is the point. */
export type Part = Readonly<Record<string, unknown>> | string | Uint8Array

/** Something that signs tokens. */
export interface Signer {
  readonly alg: string
  readonly kid: string | undefined
  /** Signs the text `header.payload`. */
  readonly sign: (input: string) => Buffer
  /**
   * A token with the header `{alg, kid, typ: "JWT"}`, changed by `header`; a member that is
   * undefined there is left out.
   */
  readonly token: (claims: Part, header?: Readonly<Record<string, unknown>>) => string
}

/** A signer whose public half can be published. */
export interface KeyPairSigner extends Signer {
  readonly publicKey: KeyObject
  readonly privateKey: KeyObject
  /** With `kid` (when there is one), `alg` and `use: "sig"`. */
  readonly publicJwk: Record<string, unknown>
}

/**
 * A new key pair.
 *
 * @param kid - defaults to the algorithm's name; null for a key without `kid`
 */
export function createSigner(alg: KeyPairAlgorithm, kid: string | null = alg): KeyPairSigner {
  return signerOf(alg, kid, generateKeys(alg))
}

/** The same key pair for another algorithm or `kid`. */
export function withSameKey(
  signer: KeyPairSigner,
  alg: KeyPairAlgorithm,
  kid: string | null = signer.kid ?? null,
): KeyPairSigner {
  return signerOf(alg, kid, signer)
}

/** A signer with a shared secret, whose UTF-8 bytes (or the bytes given) are the key. */
export function createSecretSigner(
  alg: SecretAlgorithm,
  secret: string | Uint8Array,
  kid?: string,
): Signer {
  const hash = alg.replace('HS', 'sha')
  const key = typeof secret === 'string' ? Buffer.from(secret, 'utf8') : secret
  return withTokens({ alg, kid, sign: (input) => createHmac(hash, key).update(input).digest() })
}

/**
 * A token put together by hand.
 *
 * @param header - object, text or bytes
 * @param payload - object, text or bytes
 * @param signature - bytes, or what makes them of `header.payload`
 */
export function handMade(
  header: Part,
  payload: Part,
  signature: Uint8Array | ((input: string) => Uint8Array),
): string {
  const input = `${encodePart(header)}.${encodePart(payload)}`
  const bytes = typeof signature === 'function' ? signature(input) : signature
  return `${input}.${Buffer.from(bytes).toString('base64url')}`
}

/** Signs `header.payload` with ECDSA, the signature DER-encoded instead of r and s side by side. */
export function signDer(signer: KeyPairSigner): (input: string) => Buffer {
  return (input) => {
    return cryptoSign(hashOf(signer.alg), Buffer.from(input), {
      key: signer.privateKey,
      dsaEncoding: 'der',
    })
  }
}

/**
 * Claims that the tests' issuer settings accept: `sub` alice, `aud` chat-api, five minutes to live.
 *
 * @param nowMs - the time, in milliseconds
 * @param changes - replaces claims; undefined leaves one out
 */
export function claimsOf(
  issuer: string,
  nowMs: number,
  changes: Readonly<Record<string, unknown>> = {},
): Record<string, unknown> {
  const iat = Math.floor(nowMs / 1000)
  return { iss: issuer, sub: 'alice', aud: 'chat-api', iat, exp: iat + 300, ...changes }
}

/** Claims of a back-channel logout token for the client `web-app`. */
export function logoutClaimsOf(
  issuer: string,
  nowMs: number,
  changes: Readonly<Record<string, unknown>> = {},
): Record<string, unknown> {
  const iat = Math.floor(nowMs / 1000)
  return {
    iss: issuer,
    sub: 'alice',
    aud: 'web-app',
    iat,
    exp: iat + 120,
    jti: 'logout-1',
    events: { 'http://schemas.openid.net/event/backchannel-logout': {} },
    ...changes,
  }
}

function signerOf(
  alg: KeyPairAlgorithm,
  kid: string | null,
  keys: { readonly publicKey: KeyObject; readonly privateKey: KeyObject },
): KeyPairSigner {
  const { publicKey, privateKey } = keys
  const publicJwk = {
    ...publicKey.export({ format: 'jwk' }),
    ...(kid === null ? {} : { kid }),
    alg,
    use: 'sig',
  }
  const signer = { alg, kid: kid ?? undefined, sign: signWith(alg, privateKey) }
  return { ...withTokens(signer), publicKey, privateKey, publicJwk }
}

function withTokens(signer: Pick<Signer, 'alg' | 'kid' | 'sign'>): Signer {
  const { alg, kid, sign } = signer
  return {
    ...signer,
    token: (claims, header) => handMade({ alg, kid, typ: 'JWT', ...header }, claims, sign),
  }
}

function generateKeys(alg: KeyPairAlgorithm) {
  if (alg === 'EdDSA' || alg === 'Ed25519') return generateKeyPairSync('ed25519')
  if (alg === 'ES256') return generateKeyPairSync('ec', { namedCurve: 'P-256' })
  if (alg === 'ES384') return generateKeyPairSync('ec', { namedCurve: 'P-384' })
  if (alg === 'ES512') return generateKeyPairSync('ec', { namedCurve: 'P-521' })
  return generateKeyPairSync('rsa', { modulusLength: 2048 })
}

function signWith(alg: KeyPairAlgorithm, key: KeyObject): (input: string) => Buffer {
  const hash = alg.startsWith('Ed') ? null : hashOf(alg)
  const options = { key, ...signOptions(alg) }
  return (input) => cryptoSign(hash, Buffer.from(input), options)
}

function signOptions(alg: KeyPairAlgorithm) {
  if (alg.startsWith('ES')) return { dsaEncoding: 'ieee-p1363' as const }
  if (!alg.startsWith('PS')) return {}
  const { RSA_PKCS1_PSS_PADDING: padding, RSA_PSS_SALTLEN_DIGEST: saltLength } = constants
  return { padding, saltLength }
}

function hashOf(alg: string): string {
  return `sha${alg.slice(2)}`
}

function encodePart(part: Part): string {
  if (part instanceof Uint8Array) return Buffer.from(part).toString('base64url')
  const text = typeof part === 'string' ? part : JSON.stringify(part)
  return Buffer.from(text, 'utf8').toString('base64url')
}
