import { type ErrorCode, ServiceError } from '../lib/errors.ts'

/** Something of a long call that did not come about; the rest went on. */
export interface Failure {
  /** A list that ended early, or one entry. */
  readonly what: FailedPart
  /** Name in the config, where the failure is of one workflow's source. */
  readonly workflow?: string
  /** Of the thread or attachment. */
  readonly id?: string
  readonly code: ErrorCode
}

/** What can fail. */
export type FailedPart =
  | 'sessions'
  | 'threads'
  | 'thread'
  | 'items'
  | 'attachments'
  | 'attachment'
  | 'audit'
  | 'records'
  | 'block'

/** Where failures are noted. */
export interface Failures {
  /** How many. */
  count(): number
  /** The first {@link MOST_NAMED}. */
  named(): readonly Failure[]
  add(failure: Failure): void
}

/** An outage may fail every one of ten thousand: the last line of an answer stays a line. */
const MOST_NAMED = 100

/** None so far. */
export function createFailures(): Failures {
  const named: Failure[] = []
  let count = 0
  return {
    count: () => count,
    named: () => [...named],
    add(failure) {
      count += 1
      if (named.length < MOST_NAMED) named.push(failure)
    },
  }
}

/**
 * The public code of whatever was thrown.
 *
 * @param error - as caught
 */
export function codeOf(error: unknown): ErrorCode {
  return error instanceof ServiceError ? error.code : 'internal_error'
}
