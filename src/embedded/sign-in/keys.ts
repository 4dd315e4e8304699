// Makes the keys of the embedded sign-in, and signs tokens with them (RFC 7515, RFC 7518).

import {
  constants,
  createHmac,
  createPrivateKey,
  generateKeyPair,
  randomUUID,
  sign,
} from 'node:crypto'
import { promisify } from 'node:util'

/** Algorithms that the provider can sign its tokens with. */
export type SignInAlgorithm = 'RS256' | 'ES256' | 'EdDSA'

/** A private key as a JWK, with its algorithm and id. */
export type PrivateKey = Readonly<Record<string, unknown>> & {
  readonly alg: string
  readonly kid: string
}

/** A private key; for HS* a secret that the service has too. */
export type SigningKey = PrivateKey | { readonly alg: string; readonly secret: string }

const CURVES: Readonly<Record<string, string>> = { ES256: 'P-256', ES384: 'P-384', ES512: 'P-521' }

const generate = promisify(generateKeyPair)

/**
 * A new private key.
 *
 * @param algorithm - JOSE `alg` of a public-key signature
 */
export async function newSigningKey(algorithm: string): Promise<PrivateKey> {
  const { privateKey } = await pairFor(algorithm)
  const jwk = privateKey.export({ format: 'jwk' })
  return { ...jwk, alg: algorithm, use: 'sig', kid: randomUUID() }
}

function pairFor(algorithm: string) {
  const namedCurve = CURVES[algorithm]
  if (namedCurve !== undefined) return generate('ec', { namedCurve })
  if (algorithm.startsWith('Ed')) return generate('ed25519')
  return generate('rsa', { modulusLength: 2048 })
}

export function publicHalf(key: PrivateKey): Readonly<Record<string, unknown>> {
  const { d: _d, p: _p, q: _q, dp: _dp, dq: _dq, qi: _qi, ...published } = key
  return published
}

/** Header and claims of a token. */
export interface TokenContent {
  readonly header: Readonly<Record<string, unknown>>
  readonly claims: Readonly<Record<string, unknown>>
}

/** @returns compact JWS (RFC 7515 §7.1) */
export function signToken(key: SigningKey, { header, claims }: TokenContent): string {
  const input = [header, claims].map((part) => base64url(JSON.stringify(part))).join('.')
  return `${input}.${base64url(signatureOf(key, Buffer.from(input)))}`
}

function signatureOf(key: SigningKey, input: Buffer): Buffer {
  const hash = `sha${key.alg.slice(2)}`
  if ('secret' in key) return createHmac(hash, String(key.secret)).update(input).digest()
  const privateKey = createPrivateKey({ key, format: 'jwk' })
  if (key.alg.startsWith('Ed')) return sign(null, input, privateKey)
  if (key.alg.startsWith('ES')) {
    return sign(hash, input, { key: privateKey, dsaEncoding: 'ieee-p1363' })
  }
  if (key.alg.startsWith('RS')) return sign(hash, input, privateKey)
  // RFC 7518 §3.5: the salt is as long as the hash.
  const saltLength = constants.RSA_PSS_SALTLEN_DIGEST
  return sign(hash, input, {
    key: privateKey,
    padding: constants.RSA_PKCS1_PSS_PADDING,
    saltLength,
  })
}

function base64url(content: string | Buffer): string {
  return Buffer.from(content).toString('base64url')
}
