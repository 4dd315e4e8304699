// Types of identifiers, the only parser for each, and new identifiers.

import { randomBytes } from 'node:crypto'
import type { $brand } from 'zod'

/**
 * The form of every id that this service puts into a path or takes from one, and of the ChatKit API's
 * ids: without slash, dot or escape, so no id can change which resource the path names.
 */
export const OBJECT_ID = /^[A-Za-z0-9_-]{1,128}$/

/** Id of a ChatKit session: an {@link OBJECT_ID}. */
export type SessionId = string & $brand<'SessionId'>

/**
 * Id of a thread that calls can name: an {@link OBJECT_ID}. That of a self-hosted server's thread may be any text that a
 * store can hold, where it comes from the ownership records: the server gets it in a body.
 */
export type ThreadId = string & $brand<'ThreadId'>

/** The form of a {@link WorkflowName}. */
export const WORKFLOW_NAME = /^[a-z][a-z0-9-]{0,63}$/

/** Name of a workflow in the config file; a {@link WORKFLOW_NAME}. */
export type WorkflowName = string & $brand<'WorkflowName'>

/** @returns undefined when it is no {@link WORKFLOW_NAME} */
export function parseWorkflowName(text: string): WorkflowName | undefined {
  return WORKFLOW_NAME.test(text) ? (text as WorkflowName) : undefined
}

/** The ChatKit `user`, as the mapping of claims makes it. */
export type UserId = string & $brand<'UserId'>

/** Most code points of a user, as in the ChatKit API. */
export const MAX_USER_CHARACTERS = 512

/** A user as JSON Schema describes it, which cannot refuse lone surrogates and dot segments. */
export const USER_PATTERN = '^[^\\u0000-\\u001f\\u007f-\\u009f]+$'

/** @returns undefined for a value with a {@link userProblem} */
export function parseUserId(value: unknown): UserId | undefined {
  return userProblem(value) === undefined ? (value as UserId) : undefined
}

/** Why a value cannot be a user; undefined when it can. */
export function userProblem(user: unknown): string | undefined {
  if (typeof user !== 'string') return `a ${typeof user}`
  if (user === '') return 'an empty string'
  // A code point has one or two UTF-16 units, so a short string is not counted.
  if (user.length > MAX_USER_CHARACTERS && [...user].length > MAX_USER_CHARACTERS) {
    return `more than ${MAX_USER_CHARACTERS} characters`
  }
  if (!user.isWellFormed()) return 'a lone surrogate'
  if (/\p{Cc}/u.test(user)) return 'a control character'
  // URL parsers remove both from paths (RFC 3986 §5.2.4), so `/v1/admin/users/{user}/…` could not name them.
  return user === '.' || user === '..' ? 'a dot segment' : undefined
}

/** @returns undefined when it is no {@link OBJECT_ID} */
export function parseSessionId(text: string): SessionId | undefined {
  return OBJECT_ID.test(text) ? (text as SessionId) : undefined
}

/** @returns undefined when it is no {@link OBJECT_ID} */
export function parseThreadId(text: string): ThreadId | undefined {
  return OBJECT_ID.test(text) ? (text as ThreadId) : undefined
}

/** Hexadecimal digits of 128 bits. */
const ID_DIGITS = 32
const HEX = Buffer.from('0123456789abcdef')

/** Random digits for many ids, drawn together as `crypto.randomUUID` does, because a draw is the main cost of an id. */
const digits = Buffer.alloc(8192)
let used = digits.length

/**
 * A new identifier: the prefix and 128 random bits in hexadecimal. In base64url an id could contain `-ek_…`,
 * which the log would redact as a credential. It is read in one piece, because `JSON.stringify` takes twice as long over
 * texts that were joined.
 *
 * @param prefix - the kind of id, with its underscore: `req_`, `cksess_`
 * @param nowMs - the id begins with its 48 bits, as a version 7 UUID does (RFC 9562 §5.7), so that a store's index grows
 * at its end
 */
export function newId(prefix: string, nowMs?: number): string {
  const length = prefix.length + ID_DIGITS
  if (used + length > digits.length) {
    digits.write(randomBytes(digits.length / 2).toString('hex'), 'latin1')
    used = 0
  }
  const start = used
  used += length
  for (let at = 0; at < prefix.length; at++) digits[start + at] = prefix.charCodeAt(at)
  if (nowMs !== undefined) {
    // In two small numbers: V8 takes as long over a large one's text as over the rest of an id.
    const [high, low] = [Math.floor(nowMs / 2 ** 24), Math.floor(nowMs % 2 ** 24)]
    for (let at = start + prefix.length, shift = 20; shift >= 0; at++, shift -= 4) {
      digits[at] = HEX[(high >> shift) & 15] ?? 0
      digits[at + 6] = HEX[(low >> shift) & 15] ?? 0
    }
  }
  return digits.toString('latin1', start, used)
}

export function newSessionId(): SessionId {
  return newId('cksess_') as SessionId
}
