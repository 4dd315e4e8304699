// Counts the failures of an export or an erase, which continues after each of them.

import { type ErrorCode, ServiceError } from '../lib/errors.ts'

/** A list that could not be read to its end, a step that failed, or one thing that could not be deleted. */
export interface Failure {
  readonly what:
    | ('sessions' | 'threads' | 'items' | 'attachments' | 'audit' | 'records' | 'block')
    | ('thread' | 'attachment')
  /** Name in the config, where the failure is at one workflow's source. */
  readonly workflow?: string
  /** Id of the thread or attachment. */
  readonly id?: string
  readonly code: ErrorCode
}

/** The counter that {@link createFailures} makes. */
export type Failures = ReturnType<typeof createFailures>

/** Most failures that a summary lists: an outage can cause ten thousand. */
const MAX_NAMED = 100

/** Keeps the first {@link MAX_NAMED} failures, and counts all. */
export function createFailures() {
  const named: Failure[] = []
  let count = 0
  return {
    count: (): number => count,
    named: (): readonly Failure[] => [...named],
    add(failure: Failure): void {
      count += 1
      if (named.length < MAX_NAMED) named.push(failure)
    },
  }
}

/** The public code of a caught error. */
export function codeOf(error: unknown): ErrorCode {
  return error instanceof ServiceError ? error.code : 'internal_error'
}
