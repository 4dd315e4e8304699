// Verifies and reads receipts: signed statements of this service about a user's sessions, which anybody can check
// with our public keys.

import * as errors from 'jose/errors'
import { createLocalJWKSet } from 'jose/jwks/local'
import { decodeJwt } from 'jose/jwt/decode'
import { jwtVerify } from 'jose/jwt/verify'
import { z } from 'zod'
import { show } from '../../lib/show.ts'
import { SIGNING_ALGORITHMS } from './private-keys.ts'
import type { SigningKeys } from './signing-keys.ts'

/** Header `typ` of a receipt, so that no other token of ours is accepted as one. */
export const RECEIPT_TYPE = 'chatkit-receipt+jwt'

const seconds = z.int().min(0)

const receiptSession = z.object({
  id: z.string(),
  workflow: z.string(),
  created_at: seconds,
  expires_at: seconds,
  status: z.string(),
  /** When it stopped being live; null while it is live. */
  ended_at: seconds.nullable(),
  /** When the upstream confirmed the end; null where it has not, or was not asked. */
  confirmed_at: seconds.nullable(),
  /** The actor who ended it; null where nobody did. */
  by: z.string().nullable(),
})

const receipt = z.object({
  iss: z.string(),
  iat: seconds,
  user: z.string(),
  blocked_until: seconds.nullable(),
  /** Newest first. */
  sessions: z.array(receiptSession),
  /** Every session that was live at this time or later is listed, unless `truncated`. */
  from: seconds,
  generation: z.int().min(0),
  truncated: z.boolean(),
})

/** The payload of a receipt. Times are Unix seconds. */
export type Receipt = z.infer<typeof receipt>

/** A text that is no receipt of this issuer. The message says why, as the end of a sentence. */
export class InvalidReceiptError extends Error {
  override readonly name = 'InvalidReceiptError'
}

/**
 * Verifies a receipt, without the service.
 *
 * @param jws - compact
 * @param published - as `/.well-known/jwks.json` has them
 * @throws {@link InvalidReceiptError}
 */
export async function verifyReceipt(
  jws: string,
  { keys }: SigningKeys['publicKeys'],
  issuer: string,
): Promise<Receipt> {
  // Unused bits at the end of base64url: jose ignores them, and a byte could be changed unseen (RFC 4648 §3.5).
  const canonical = jws.split('.').every((part) => {
    return part === Buffer.from(part, 'base64url').toString('base64url')
  })
  if (!canonical) throw new InvalidReceiptError('it is not one at all')
  try {
    const { payload } = await jwtVerify(jws, createLocalJWKSet({ keys: [...keys] }), {
      algorithms: [...SIGNING_ALGORITHMS],
      issuer,
      typ: RECEIPT_TYPE,
      requiredClaims: ['iat'],
    })
    return receipt.parse(payload)
  } catch (cause) {
    throw new InvalidReceiptError(whyNotValid(cause), { cause })
  }
}

/** Reads a receipt without verifying its signature; undefined for a text that is no receipt. */
export function readReceipt(jws: string): Receipt | undefined {
  try {
    return receipt.parse(decodeJwt(jws))
  } catch {
    return undefined
  }
}

function whyNotValid(error: unknown): string {
  if (error instanceof errors.JWTClaimValidationFailed) {
    const received = error.payload[error.claim]
    return `its ${error.claim} is another${typeof received === 'string' ? `, ${show(received)}` : ''}`
  }
  if (error instanceof errors.JOSEAlgNotAllowed) return 'its algorithm is not one of ours'
  if (error instanceof errors.JWKSNoMatchingKey) return 'none of these keys signed it'
  if (error instanceof errors.JWSSignatureVerificationFailed) return 'the signature is not right'
  return 'it is not one at all'
}
