// Decides which keys of a published key set may verify tokens, and which must never be published. No I/O, no clock.

import { createPublicKey, type KeyObject, type webcrypto } from 'node:crypto'
import { z } from 'zod'
import { firstIssue, ServiceError } from './errors.ts'

const MAX_KEYS = 100
/** RFC 7518 §3.3. */
export const MIN_RSA_BITS = 2048
/** e = 1 makes every message its own signature; e = 3 has a history of forged paddings (FIPS 186-5 §A.1.1). */
export const MIN_RSA_EXPONENT = 65_537n

const SIGNATURE_ALGORITHM = /^(?:(?:RS|PS|ES)(?:256|384|512)|EdDSA|Ed25519)$/

const keySchema = z.looseObject({
  kty: z.string(),
  kid: z.string().optional(),
  use: z.string().optional(),
  alg: z.string().optional(),
  key_ops: z.array(z.string()).optional(),
  crv: z.string().optional(),
})
const keySetSchema = z.looseObject({ keys: z.array(z.unknown()).max(MAX_KEYS) })

type PublishedKey = z.infer<typeof keySchema>

/** A JSON Web Key, reduced to the members that verification needs. */
export type UsableKey = Readonly<Record<string, unknown>>

/** RFC 7518 §6.2.2, §6.3.2, §6.4.1, and `priv` of newer key types. */
const PRIVATE_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k', 'priv']

/** Whether a key has a member that only private and symmetric keys have. */
export function hasPrivateMembers(key: object): boolean {
  return PRIVATE_MEMBERS.some((member) => Object.hasOwn(key, member))
}

/**
 * The keys of a JWK set (RFC 7517 §5) that may verify signatures, reduced to what verification needs.
 * A key that cannot be used is left out, because other keys of its set can still be good. Equal keys count
 * once. Several keys may have one `kid`: the token's algorithm chooses among them.
 *
 * @param set - parsed JSON
 * @param onLeftOut - gets one sentence for each key that should be usable and is not
 * @throws ServiceError `idp_unavailable` when the set holds a private key, because then anyone may have
 * it, when it has more than 100 keys, or when no key is left
 */
export function usableKeys(
  set: unknown,
  onLeftOut: (reasons: readonly string[]) => void,
): readonly UsableKey[] {
  const result = keySetSchema.safeParse(set)
  if (!result.success) throw refused(`not a JWK set: ${firstIssue(result.error)}`)
  const keys = result.data.keys.map(withoutNulls)
  keys.forEach(refusePrivate)
  const leftOut: string[] = []
  const usable = new Map<string, UsableKey>()
  for (const [index, entry] of keys.entries()) {
    const read = keySchema.safeParse(entry)
    if (read.success && !isForSignatures(read.data)) continue
    const problem = read.success ? keyProblem(read.data) : firstIssue(read.error)
    if (!read.success || problem !== undefined) leftOut.push(`key ${index}: ${problem}`)
    else {
      const key = reduce(read.data)
      usable.set(JSON.stringify(key), key)
    }
  }
  if (leftOut.length > 0) onLeftOut(leftOut)
  if (usable.size === 0) throw refused(['no key for signatures', ...leftOut.slice(0, 3)].join('; '))
  return [...usable.values()]
}

/**
 * Why no token could ever be verified with a key set; undefined when one of its keys fits one of the algorithms.
 *
 * @param set - parsed JSON
 * @param algorithms - signature algorithms with a public key, at least one
 */
export function keySetProblem(set: unknown, algorithms: readonly string[]): string | undefined {
  try {
    const keys = usableKeys(set, () => {})
    const fits = keys.some((key) => algorithms.some((algorithm) => mayVerify(key, algorithm)))
    return fits ? undefined : `has no key for ${algorithms.join(', ')}; add the key that signs`
  } catch (error) {
    if (error instanceof ServiceError) return error.reason
    throw error
  }
}

const CURVES: Readonly<Record<string, string>> = {
  ES256: 'P-256',
  ES384: 'P-384',
  ES512: 'P-521',
  EdDSA: 'Ed25519',
  Ed25519: 'Ed25519',
}

/** As the keys are chosen for a token: by kind, and by the key's own `alg` if it has one. */
function mayVerify(key: UsableKey, algorithm: string): boolean {
  const { kty, crv, alg = algorithm } = key
  if (alg !== algorithm) return false
  return /^[RP]S/.test(algorithm) ? kty === 'RSA' : crv === CURVES[algorithm]
}

/** .NET writes all members that a key does not have: `"use": null, "d": null, "key_ops": []`. */
function withoutNulls(key: unknown): unknown {
  if (typeof key !== 'object' || key === null) return key
  return Object.fromEntries(Object.entries(key).filter(([, value]) => value !== null))
}

/** A symmetric key (`oct`) is no private key of anybody: it is left out, and no token verifies with it. */
function refusePrivate(key: unknown, index: number): void {
  if (typeof key !== 'object' || key === null || ('kty' in key && key.kty === 'oct')) return
  if (hasPrivateMembers(key)) throw refused(`key ${index} is private`)
}

function isForSignatures({ kty, use, alg, key_ops: operations = [] }: PublishedKey): boolean {
  if (use !== undefined && use !== 'sig') return false
  if (operations.length > 0 && !operations.includes('verify')) return false
  return alg === undefined || kty === 'oct' || SIGNATURE_ALGORITHM.test(alg)
}

/** Why a key cannot verify signatures; undefined when it can. */
function keyProblem(key: PublishedKey): string | undefined {
  const { kty, crv } = key
  if (kty === 'oct') return 'is symmetric'
  if (!isKnownKind(kty, crv)) return 'of a kind that this service does not know'
  const details = importKey(key)?.asymmetricKeyDetails
  if (details === undefined) return 'is malformed'
  if (kty !== 'RSA') return undefined
  if ((details.modulusLength ?? 0) < MIN_RSA_BITS) return `RSA of fewer than ${MIN_RSA_BITS} bits`
  if ((details.publicExponent ?? 0n) < MIN_RSA_EXPONENT) {
    return `RSA exponent below ${MIN_RSA_EXPONENT}`
  }
  return undefined
}

function isKnownKind(kty: string, crv: string | undefined): boolean {
  if (kty === 'RSA') return true
  if (kty === 'EC') return crv === 'P-256' || crv === 'P-384' || crv === 'P-521'
  return kty === 'OKP' && crv === 'Ed25519'
}

function importKey(key: PublishedKey): KeyObject | undefined {
  try {
    return createPublicKey({ key: key as webcrypto.JsonWebKey, format: 'jwk' })
  } catch {
    return undefined
  }
}

/** `EdDSA` and `Ed25519` name the same algorithm for a key of that curve (RFC 9864), so a token may use either name. */
function reduce(key: PublishedKey): UsableKey {
  const hasTwoNames = key.crv === 'Ed25519' && key.alg?.startsWith('Ed')
  const members = ['kty', 'crv', 'n', 'e', 'x', 'y', 'kid', ...(hasTwoNames ? [] : ['alg'])]
  return Object.fromEntries(members.flatMap((name) => (name in key ? [[name, key[name]]] : [])))
}

function refused(reason: string): ServiceError {
  return new ServiceError('idp_unavailable', { reason: `key set refused: ${reason}` })
}
