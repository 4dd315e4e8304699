// Makes the keys of the embedded sign-in, and signs tokens with them.

import { randomUUID } from 'node:crypto'
import type { CompactJWSHeaderParameters, JWK } from 'jose'
import { CompactSign } from 'jose/jws/compact/sign'
import { exportJWK } from 'jose/key/export'
import { generateKeyPair } from 'jose/key/generate/keypair'
import { importJWK } from 'jose/key/import'

/** Algorithms that the provider can sign its tokens with. */
export type SignInAlgorithm = 'RS256' | 'ES256' | 'EdDSA'

/** A private key as a JWK, with its algorithm and id. */
export type PrivateKey = JWK & { readonly alg: string; readonly kid: string }

/** A private key; for HS* a secret that the service has too. */
export type SigningKey = PrivateKey | { readonly alg: string; readonly secret: string }

/**
 * A new private key.
 *
 * @param algorithm - JOSE `alg` of a public-key signature
 */
export async function newSigningKey(algorithm: string): Promise<PrivateKey> {
  const { privateKey } = await generateKeyPair(algorithm, { extractable: true })
  return { ...(await exportJWK(privateKey)), alg: algorithm, use: 'sig', kid: randomUUID() }
}

export function publicHalf(key: PrivateKey): JWK {
  const { d: _d, p: _p, q: _q, dp: _dp, dq: _dq, qi: _qi, ...published } = key
  return published
}

/** @returns compact JWS (RFC 7515 §7.1) */
export async function signToken(
  key: SigningKey,
  { header, claims }: { readonly header: CompactJWSHeaderParameters; readonly claims: object },
): Promise<string> {
  const secret = 'secret' in key && typeof key.secret === 'string' ? key.secret : undefined
  const signer = secret === undefined ? await importJWK(key) : Buffer.from(secret)
  return new CompactSign(Buffer.from(JSON.stringify(claims)))
    .setProtectedHeader(header)
    .sign(signer)
}
