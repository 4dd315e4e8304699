import { createHmac, timingSafeEqual } from 'node:crypto'
import { z } from 'zod'
import { ServiceError } from '../lib/errors.ts'

/** A place in a list that is merged from several sources: that of one of its threads. */
export interface Place {
  /** Number of the thread's source. */
  readonly at: number
  /** Per source the last thread up to there; null where none is. At `at`, the thread itself. */
  readonly last: readonly (string | null)[]
}

/** What a cursor is good for: for anything else it is as unknown as one made up. */
export interface CursorScope {
  /** Whether the list is a user's own, or an admin's. */
  readonly kind: 'own' | 'any'
  readonly user: string | undefined
  readonly order: 'asc' | 'desc'
  /** Names of the sources, in order. */
  readonly sources: readonly string[]
}

const MAC_BYTES = 32

const place = z.strictObject({
  at: z.int().min(0),
  last: z.array(z.string().min(1).nullable()),
})

/**
 * Makes the cursor of a place: opaque, and authenticated (HMAC-SHA256, RFC 2104), so that the thread
 * ids in it are known to be ones that this service gave to this caller.
 *
 * @param key - random bytes
 * @param scope - whose list, in which order
 * @param where - the place
 */
export function sealCursor(key: Uint8Array, scope: CursorScope, where: Place): string {
  const payload = Buffer.from(JSON.stringify(where))
  return Buffer.concat([macOf(key, scope, payload), payload]).toString('base64url')
}

/**
 * Reads a cursor back.
 *
 * @param key - that it was made with
 * @param scope - of the list that it is used on
 * @param cursor - as the client sent it
 * @throws `invalid_request` for anything that was not made for this scope
 */
export function openCursor(key: Uint8Array, scope: CursorScope, cursor: string): Place {
  const bytes = Buffer.from(cursor, 'base64url')
  // Another spelling of the same bytes is not a cursor of ours.
  if (bytes.length <= MAC_BYTES || bytes.toString('base64url') !== cursor) throw badCursor()
  const payload = bytes.subarray(MAC_BYTES)
  if (!timingSafeEqual(bytes.subarray(0, MAC_BYTES), macOf(key, scope, payload))) throw badCursor()
  return place.parse(JSON.parse(payload.toString()))
}

/** The one refusal of all cursors: of someone else's thread, of none, of another list. */
export function badCursor(cause?: unknown): ServiceError {
  return new ServiceError('invalid_request', {
    reason: 'a cursor of nothing on the list',
    detail: 'The cursor in "after" or "before" is of no entry of this list.',
    cause,
  })
}

function macOf(key: Uint8Array, scope: CursorScope, payload: Buffer): Buffer {
  const { kind, user = null, order, sources } = scope
  // JSON of an array is injective: no two scopes read alike.
  const context = JSON.stringify([kind, user, order, sources])
  return createHmac('sha256', key).update(`${context}\n`).update(payload).digest()
}
