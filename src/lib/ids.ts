// Makes new identifiers, and says what an identifier looks like.

import { randomFillSync } from 'node:crypto'
import { ServiceError } from './errors.ts'

/**
 * An id of the ChatKit API, and every id that this service puts into a path or takes from one: no slash,
 * dot or escape can change what the path addresses.
 */
export const OBJECT_ID = /^[A-Za-z0-9_-]{1,128}$/

/**
 * @param id - as a client sent it
 * @returns the id
 * @throws `invalid_request` when it is no {@link OBJECT_ID}
 */
export function requireId(id: string): string {
  if (OBJECT_ID.test(id)) return id
  throw new ServiceError('invalid_request', { reason: 'an id with characters ids do not have' })
}

const ID_BYTES = 16

/** Drawn for many ids at once, as `crypto.randomUUID` does: a draw costs more than all else of an id. */
const random = Buffer.alloc(256 * ID_BYTES)
let used = random.length

/**
 * A new identifier: the prefix and 128 random bits in hexadecimal. Not in base64url: among its signs an
 * id can come out as `…-ek_…`, and the log would take that for a credential.
 *
 * @param prefix - what the id is of, with its underscore: `req_`, `cksess_`
 */
export function newId(prefix: string): string {
  if (used === random.length) {
    randomFillSync(random)
    used = 0
  }
  used += ID_BYTES
  return prefix + random.toString('hex', used - ID_BYTES, used)
}
