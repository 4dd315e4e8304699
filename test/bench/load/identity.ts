import { randomBytes } from 'node:crypto'
import {
  claimsOf,
  createSecretSigner,
  createSigner,
  type KeyPairAlgorithm,
  type Signer,
} from '../../support/tokens.ts'
import { mintRequest } from './connection.ts'

export const ALGORITHMS = ['ES256', 'RS256', 'EdDSA', 'HS256'] as const
export type Algorithm = (typeof ALGORITHMS)[number]

/** One issuer signs with key pairs, the other with a shared secret. */
export const KEY_PAIR_ISSUER = 'https://login.corp.test/'
export const SECRET_ISSUER = 'https://legacy.corp.test/'
export const AUDIENCE = 'chat-api'

/** The identity provider: signs tokens for any number of users. */
export interface Identity {
  readonly jwks: { readonly keys: readonly object[] }
  /** Secret of the HS256 issuer. */
  readonly sharedSecret: string
  /** Requests with new tokens, each of a user of its own. */
  requests(alg: Algorithm, count: number): readonly string[]
}

/** Gives the next request of a measurement; undefined when there are no more. */
export type NextRequest = () => string | undefined

/** Each request once. */
export function once(requests: readonly string[]): NextRequest {
  let at = 0
  return () => requests[at++]
}

/** The same requests again and again. */
export function repeat(requests: readonly string[]): NextRequest {
  let at = 0
  return () => requests[at++ % requests.length]
}

export function createIdentity(): Identity {
  const pairs = (['ES256', 'RS256', 'EdDSA'] satisfies KeyPairAlgorithm[]).map((alg) =>
    createSigner(alg),
  )
  const sharedSecret = randomBytes(32).toString('base64url')
  const signers: readonly Signer[] = [...pairs, createSecretSigner('HS256', sharedSecret)]
  let users = 0
  const sign = (alg: Algorithm, count: number) => {
    const signer = signers.find((one) => one.alg === alg)
    if (signer === undefined) throw new Error(`nobody signs ${alg}`)
    const issuer = alg === 'HS256' ? SECRET_ISSUER : KEY_PAIR_ISSUER
    return Array.from({ length: count }, () => {
      users++
      const claims = claimsOf(issuer, Date.now(), { sub: `user-${users}`, jti: String(users) })
      // Five minutes would be over before the last part of a run.
      return mintRequest(signer.token({ ...claims, exp: Math.floor(Date.now() / 1000) + 7200 }))
    })
  }
  return { jwks: { keys: pairs.map(({ publicJwk }) => publicJwk) }, sharedSecret, requests: sign }
}
