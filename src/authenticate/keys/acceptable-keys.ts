// Decides which keys of a published key set may verify tokens. No I/O, no clock.
import { createPublicKey, type KeyObject, type webcrypto } from 'node:crypto'
import type { JWK } from 'jose'
import { z } from 'zod'
import { ServiceError } from '../../lib/errors.ts'
import { hasPrivateMembers } from '../../lib/jwk.ts'
import { firstIssue } from '../refusal.ts'

const MAX_KEYS = 50
const MIN_RSA_BITS = 2048
/** e = 1 makes every message its own signature; e = 3 has a history of forged paddings. */
const MIN_RSA_EXPONENT = 65_537n

const SIGNATURE_ALGORITHM = /^(?:(?:RS|PS|ES)(?:256|384|512)|EdDSA|Ed25519)$/

const keySchema = z.looseObject({
  kty: z.string(),
  kid: z.string().optional(),
  use: z.string().optional(),
  alg: z.string().optional(),
  key_ops: z.array(z.string()).optional(),
  crv: z.string().optional(),
})
const keySetSchema = z.looseObject({ keys: z.array(keySchema).max(MAX_KEYS) })

type PublishedKey = z.infer<typeof keySchema>

/**
 * The keys of a JWK set (RFC 7517 §5) that may verify signatures, reduced to what verification needs.
 * Keys of an unknown kind and keys for other uses are left out, as the RFC asks.
 *
 * @param set - parsed JSON
 * @throws ServiceError `idp_unavailable` when the set holds a private, symmetric, weak or malformed key
 * or one `kid` twice, because such a set cannot be trusted, or when no key is left
 */
export function usableKeys(set: unknown): readonly JWK[] {
  const result = keySetSchema.safeParse(set)
  if (!result.success) throw refused(`not a JWK set: ${firstIssue(result.error)}`)
  result.data.keys.forEach(refusePrivate)
  const keys = result.data.keys.filter(isForSignatures)
  if (keys.length === 0) throw refused('no key for signatures')
  refuseRepeatedKid(keys)
  keys.forEach(refuseWeak)
  return keys.map(reduce)
}

function refusePrivate(key: PublishedKey, index: number): void {
  if (key.kty === 'oct' || hasPrivateMembers(key)) {
    throw refused(`key ${index} is private or symmetric`)
  }
}

function isForSignatures({ kty, crv, use, alg, key_ops: operations }: PublishedKey): boolean {
  if (use !== undefined && use !== 'sig') return false
  if (operations !== undefined && !operations.includes('verify')) return false
  if (alg !== undefined && !SIGNATURE_ALGORITHM.test(alg)) return false
  return isKnownKind(kty, crv)
}

function isKnownKind(kty: string, crv: string | undefined): boolean {
  if (kty === 'RSA') return true
  if (kty === 'EC') return crv === 'P-256' || crv === 'P-384' || crv === 'P-521'
  return kty === 'OKP' && crv === 'Ed25519'
}

/** If two keys had the same `kid`, their order would decide which one a token means. */
function refuseRepeatedKid(keys: readonly PublishedKey[]): void {
  const kids = keys.flatMap(({ kid }) => (kid === undefined ? [] : [kid]))
  if (new Set(kids).size !== kids.length) throw refused('a kid is repeated')
}

function refuseWeak(key: PublishedKey, index: number): void {
  const details = importKey(key, index).asymmetricKeyDetails
  if (key.kty !== 'RSA') return
  if ((details?.modulusLength ?? 0) < MIN_RSA_BITS) {
    throw refused(`key ${index}: RSA of fewer than ${MIN_RSA_BITS} bits`)
  }
  if ((details?.publicExponent ?? 0n) < MIN_RSA_EXPONENT) {
    throw refused(`key ${index}: RSA exponent below ${MIN_RSA_EXPONENT}`)
  }
}

function importKey(key: PublishedKey, index: number): KeyObject {
  try {
    return createPublicKey({ key: key as webcrypto.JsonWebKey, format: 'jwk' })
  } catch (cause) {
    throw refused(`key ${index} is malformed`, cause)
  }
}

function reduce(key: PublishedKey): JWK {
  const members = ['kty', 'crv', 'n', 'e', 'x', 'y', 'kid', 'alg']
  return Object.fromEntries(members.flatMap((name) => (name in key ? [[name, key[name]]] : [])))
}

function refused(reason: string, cause?: unknown): ServiceError {
  return new ServiceError('idp_unavailable', { reason: `key set refused: ${reason}`, cause })
}
