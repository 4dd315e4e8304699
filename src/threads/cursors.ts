// Makes and reads the cursors of a list that is merged from several sources. They are authenticated, so that the
// thread ids in them are ones that this service gave to this caller.

import { createHmac, timingSafeEqual } from 'node:crypto'
import { z } from 'zod'
import { ServiceError } from '../lib/errors.ts'

/**
 * Position in a source: the last thread of it that the client has, and its `created_at`, which finds the position when
 * the thread has been deleted since; null for a thread that the source has lost.
 */
export type SourcePosition = readonly [id: string, createdAt: number | null]

/** For each source, in the config's order; null where the client has no thread of it. */
export type ListPosition = readonly (SourcePosition | null)[]

/** The list that a cursor belongs to. On any other list the cursor is refused. */
export interface CursorScope {
  /** Whether the list is a user's own, or an admin's. */
  readonly kind: 'own' | 'any'
  readonly user: string | undefined
  readonly order: 'asc' | 'desc'
  /** In order; a source is known by its name. */
  readonly sources: readonly { readonly name: string }[]
}

const MAC_BYTES = 32

const listPosition = z.array(z.tuple([z.string(), z.number().nullable()]).nullable())

/** @param key - random bytes, for HMAC-SHA256 (RFC 2104) */
export function sealCursor(key: Uint8Array, scope: CursorScope, position: ListPosition): string {
  const payload = Buffer.from(JSON.stringify(position))
  return Buffer.concat([macOf(key, scope, payload), payload]).toString('base64url')
}

/** @throws `invalid_request` for anything that was not sealed with this key for this scope */
export function openCursor(key: Uint8Array, scope: CursorScope, cursor: string): ListPosition {
  const bytes = Buffer.from(cursor, 'base64url')
  // Base64url can spell the same bytes in several ways; only the one that was given out counts.
  if (bytes.length <= MAC_BYTES || bytes.toString('base64url') !== cursor) throw badCursor()
  const payload = bytes.subarray(MAC_BYTES)
  if (!timingSafeEqual(bytes.subarray(0, MAC_BYTES), macOf(key, scope, payload))) throw badCursor()
  return listPosition.parse(JSON.parse(payload.toString()))
}

/** One refusal for every bad cursor: of someone else's thread, of no thread, of another list. */
export function badCursor(cause?: unknown): ServiceError {
  return new ServiceError('invalid_request', {
    reason: 'a cursor of nothing on the list',
    detail: 'The cursor in "after" or "before" is of no entry of this list.',
    cause,
  })
}

function macOf(key: Uint8Array, scope: CursorScope, payload: Buffer): Buffer {
  const { kind, user = null, order, sources } = scope
  // JSON of an array is injective: no two scopes have the same text. "place" distinguishes these cursors from those
  // of earlier versions, whose payload had another shape.
  const names = sources.map(({ name }) => name)
  const context = JSON.stringify(['place', kind, user, order, names])
  return createHmac('sha256', key).update(`${context}\n`).update(payload).digest()
}
