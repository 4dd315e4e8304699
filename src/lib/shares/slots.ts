// Limits how many requests (or streams, or calls) one user, and all users of this process together, have under way.

import { ServiceError } from '../errors.ts'

/** Seconds until a refused request may be repeated. */
const RETRY_SECONDS = 2

/**
 * @param bounds - `each`: most per user; `all`: most of all users, no limit when absent; `what`: their name,
 * for the error
 * @returns a function that takes a slot for a user and returns the function that frees it; it throws
 * `rate_limited` when the user has no slot left, `overloaded` when there is none for anybody
 */
export function createSlots({
  each,
  all = Number.POSITIVE_INFINITY,
  what,
}: {
  readonly each: number
  readonly all?: number
  readonly what: string
}) {
  const taken = new Map<string, number>()
  let total = 0

  return (user: string): (() => void) => {
    const before = taken.get(user) ?? 0
    if (before >= each) {
      throw new ServiceError('rate_limited', {
        reason: `more than ${each} ${what} of a user at a time`,
        detail: `Too many ${what} at a time. Wait until one has ended.`,
        retryAfterSeconds: RETRY_SECONDS,
      })
    }
    if (total >= all) {
      throw new ServiceError('overloaded', {
        reason: `more than ${all} ${what} at a time`,
        retryAfterSeconds: RETRY_SECONDS,
      })
    }
    taken.set(user, before + 1)
    total++
    let open = true
    return () => {
      if (!open) return
      open = false
      total--
      const left = (taken.get(user) ?? 0) - 1
      if (left > 0) taken.set(user, left)
      else taken.delete(user)
    }
  }
}
