// The keys that sign client secrets of self-hosted workflows and tokens for their servers: reads, makes and uses them.

import { createHmac, generateKeyPairSync, type KeyObject, sign as signBytes } from 'node:crypto'
import type { JWTHeaderParameters, JWTPayload, JWTVerifyGetKey } from 'jose'
import * as errors from 'jose/errors'
import { createLocalJWKSet } from 'jose/jwks/local'
import { jwtVerify } from 'jose/jwt/verify'
import { UnusableSettingError } from '../../lib/errors.ts'
import type { Secret } from '../../lib/secret.ts'
import { readPrivateKeys, SIGNING_ALGORITHMS, type SigningAlgorithm } from './private-keys.ts'

export type SigningKeys = ReturnType<typeof readSigningKeys>

/** Values that a token of ours must have: issuer, audience, `typ`; and the time in milliseconds. */
export interface ExpectedToken {
  readonly issuer: string
  readonly audience: string
  readonly type: string
  readonly nowMs: number
}

/** Algorithm of the tokens that only this service reads. */
const SELF_ALGORITHM = 'HS256'

/** A new private key set with one key, as the text that {@link readSigningKeys} takes. */
export function makeSigningKeys(alg: SigningAlgorithm = 'ES256'): string {
  const key = makePrivateKey(alg)
  return JSON.stringify({ keys: [{ ...key.export({ format: 'jwk' }), alg }] })
}

function makePrivateKey(alg: SigningAlgorithm): KeyObject {
  switch (alg) {
    case 'ES256':
      return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
    case 'RS256':
    case 'PS256':
      return generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
    default:
      return generateKeyPairSync('ed25519').privateKey
  }
}

/**
 * The keys of the file; without a file, keys that are made once and kept in the store.
 *
 * @param file - the text of `SIGNING_KEY_FILE`
 * @param keep - returns the keys that are kept; makes and keeps some if there are none
 * @throws `UnusableSettingError`
 */
export async function openSigningKeys(
  file: Secret | undefined,
  keep: (make: () => Uint8Array) => Promise<Uint8Array>,
): Promise<SigningKeys> {
  if (file !== undefined) return readSigningKeys(file.reveal(), 'SIGNING_KEY_FILE')
  const kept = await keep(() => Buffer.from(makeSigningKeys()))
  return readSigningKeys(new TextDecoder().decode(kept), 'the signing key in the store')
}

/**
 * Reads a private JWK set (RFC 7517 §5): EC P-256 (ES256), Ed25519 (EdDSA) and RSA (RS256, PS256). A key without
 * `kid` gets its thumbprint (RFC 7638) as one.
 *
 * @param text - JSON
 * @param source - names the origin of the text in messages
 * @throws `UnusableSettingError`, which never holds a part of a key
 */
export function readSigningKeys(text: string, source: string) {
  const keys = readPrivateKeys(text, source)
  const [first] = keys
  const kids = new Set(keys.map(({ kid }) => kid))
  if (first === undefined || kids.size < keys.length) {
    throw new UnusableSettingError(`${source}: two keys have the same kid`)
  }
  const publicKeys = { keys: keys.map(({ publicJwk }) => publicJwk) }
  const find = createLocalJWKSet(publicKeys)
  const secrets = new Map(keys.map(({ kid, secret }) => [kid, secret]))
  const findSecret = ({ kid = '' }: JWTHeaderParameters): KeyObject => {
    const secret = secrets.get(kid)
    if (secret === undefined) throw new errors.JWKSNoMatchingKey()
    return secret
  }
  return {
    /**
     * Signs a JWT with the first key (RFC 7515 §7.1). WebCrypto, with its threads, would take three times the CPU.
     *
     * @param claims - `iat` and `exp` included
     * @param typ - header
     */
    sign(claims: JWTPayload, typ: string): string {
      const { alg, kid, hash, key } = first
      const signed = `${base64urlOf({ alg, kid, typ })}.${base64urlOf(claims)}`
      return `${signed}.${signBytes(hash, Buffer.from(signed), key).toString('base64url')}`
    },
    /**
     * Verifies a JWT of ours; all keys count, so that the first can be replaced without an outage.
     *
     * @throws jose's errors
     */
    verify: verifierWith(find, SIGNING_ALGORITHMS),
    /**
     * Signs a JWT that only this service reads, by an HMAC (RFC 7518 §3.2) with a secret of the first key: a tenth of
     * the CPU of a signature, and an answer can hold hundreds of links.
     */
    signForSelf(claims: JWTPayload, typ: string): string {
      const { kid, secret } = first
      const signed = `${base64urlOf({ alg: SELF_ALGORITHM, kid, typ })}.${base64urlOf(claims)}`
      return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`
    },
    /** Verifies a JWT of `signForSelf`, and no other; the same as `verify` otherwise. */
    verifyForSelf: verifierWith(findSecret, [SELF_ALGORITHM]),
    /** The public half, for `/.well-known/jwks.json`. */
    publicKeys,
  }
}

/** @returns a function that verifies a compact JWS */
function verifierWith(find: JWTVerifyGetKey, algorithms: readonly string[]) {
  return async (token: string, expected: ExpectedToken): Promise<JWTPayload> => {
    const { issuer, audience, type: typ, nowMs } = expected
    // The decoder ignores padding, white space and the unused bits of the last character, so an altered token
    // would verify. The signature itself covers the text of the other two parts.
    const signature = token.slice(token.lastIndexOf('.') + 1)
    if (Buffer.from(signature, 'base64url').toString('base64url') !== signature) {
      throw new errors.JWSInvalid('the signature is not strict base64url')
    }
    const { payload } = await jwtVerify(token, find, {
      algorithms: [...algorithms],
      issuer,
      audience,
      typ,
      requiredClaims: ['exp', 'iat', 'sub', 'sid', 'jti'],
      currentDate: new Date(nowMs),
    })
    return payload
  }
}

/**
 * The reasons why the file of signing keys cannot be used, for a start that has already failed.
 *
 * @param file - its text; empty when it could not be read, which is reported elsewhere
 */
export function signingKeyProblems(file: Secret | undefined): string[] {
  if (!file?.reveal()) return []
  try {
    readSigningKeys(file.reveal(), 'SIGNING_KEY_FILE')
    return []
  } catch (error) {
    if (error instanceof UnusableSettingError) return [error.message]
    throw error
  }
}

function base64urlOf(json: object): string {
  return Buffer.from(JSON.stringify(json)).toString('base64url')
}
