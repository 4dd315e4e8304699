// Turns SQLite's errors into store_unavailable with a reason that tells an operator what to do.

import { ServiceError } from '../../lib/errors.ts'

// SQLite's primary result codes (sqlite.org/rescode.html) from which an operator can tell what to do.
const BUSY = 5
const LOCKED = 6
const READ_ONLY = 8
const CORRUPT = 11
const CANNOT_OPEN = 14
const NOT_A_DATABASE = 26
const REASONS: Readonly<Record<number, string>> = {
  [BUSY]: 'SQLite is busy: another process holds the lock',
  [LOCKED]: 'SQLite is busy: another connection holds the lock',
  [READ_ONLY]: 'the SQLite file is read-only',
  10: 'SQLite cannot read or write its file',
  [CORRUPT]: 'the SQLite file is corrupt',
  13: 'no space is left for the SQLite file',
  [CANNOT_OPEN]: 'the SQLite file cannot be opened',
  [NOT_A_DATABASE]: 'the SQLite file is not a database',
}

/** The primary result code; undefined when the error is not SQLite's. */
function resultCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('errcode' in error)) return undefined
  return typeof error.errcode === 'number' ? error.errcode & 0xff : undefined
}

/** Whether another connection holds the lock, so that a later try may succeed. */
export function isBusy(error: unknown): boolean {
  const code = resultCode(error)
  return code === BUSY || code === LOCKED
}

/** Whether SQLite may not write the file, or make its side files. */
export function isUnwritable(error: unknown): boolean {
  const code = resultCode(error)
  return code === READ_ONLY || code === CANNOT_OPEN
}

/** Whether SQLite cannot read what is in the file. */
export function isDamage(error: unknown): boolean {
  const code = resultCode(error)
  return code === CORRUPT || code === NOT_A_DATABASE
}

/** The error that callers of the registry get for a failure of SQLite. A `ServiceError` is returned unchanged. */
export function asServiceError(error: unknown): ServiceError {
  if (error instanceof ServiceError) return error
  const code = resultCode(error)
  const reason = REASONS[code ?? -1] ?? `SQLite failed${code === undefined ? '' : ` (${code})`}`
  return new ServiceError('store_unavailable', { reason, cause: error })
}
