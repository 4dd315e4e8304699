// The records of users who have had a session, and the names under which a search finds them.

import type { UserId } from '../lib/ids.ts'
import type { Page } from './records.ts'

/**
 * A user who has had a session. Issuer and subject are those of a token if a token ever minted for the
 * user, and of a backend (issuer `key:<id>`, subject the user) otherwise.
 */
export interface KnownUser {
  readonly user: UserId
  readonly issuer: string
  readonly subject: string
  /** When a session was last minted; at most {@link SEEN_AGAIN_SECONDS} too early. */
  readonly lastSeen: number
  readonly liveSessions: number
  /** The end of the block that holds now, if one does. */
  readonly blockedUntil: number | undefined
}

export interface UserQuery {
  /**
   * The beginning of a user or of a subject; case is ignored as `toLowerCase()` does. Users come in the
   * order of the name in lower case. Absent: all users, last seen first.
   */
  readonly q?: string | undefined
  readonly limit: number
  /** A user of this list: the page begins after it. */
  readonly after?: string | undefined
  /** A user of this list: the page ends before it, with the users nearest to it. Not beside `after`. */
  readonly before?: string | undefined
  readonly now: number
}

/** Seconds after which a session writes the time of its user again: most mints only read it. */
export const SEEN_AGAIN_SECONDS = 60

/** Prefix of the issuer of sessions that a backend asked for; no real issuer has it. */
export const KEY_ISSUER = 'key:'

/** A user's two names in lower case: the user itself and the subject. */
export interface Names {
  /** The first of the two, by their UTF-8 bytes. */
  readonly name: string
  /** The second; null when both are equal. */
  readonly otherName: string | null
  /**
   * UTF-16 units that both names begin with; null when both are equal. A search that is no longer finds
   * the user by both, and must count only the first.
   */
  readonly shared: number | null
}

export function namesOf(user: string, subject: string): Names {
  const [one, two] = [user.toLowerCase(), subject.toLowerCase()]
  if (one === two) return { name: one, otherName: null, shared: null }
  const [name, otherName] = compareBytes(one, two) < 0 ? [one, two] : [two, one]
  let shared = 0
  while (shared < name.length && name[shared] === otherName[shared]) shared++
  return { name, otherName, shared }
}

/** The first of the names that begin with `folded`, which is in lower case; undefined when none does. */
export function matchingName({ name, otherName }: Names, folded: string): string | undefined {
  if (name.startsWith(folded)) return name
  return otherName?.startsWith(folded) ? otherName : undefined
}

/** A user at the place of the name by which a search found them. */
export interface Found<T> {
  readonly name: string
  readonly user: string
  readonly value: T
}

/** The cursor of a search, and whether it is `before`: its page is then read against the order of names. */
export function cursorOf({ after, before }: Pick<UserQuery, 'after' | 'before'>) {
  return { cursor: after ?? before, backwards: after === undefined && before !== undefined }
}

/**
 * One page of what several ranges of names gave, in the order of names; each range gave at most the
 * `limit + 1` that are nearest to the cursor.
 */
export function mergeFound<T>(
  found: readonly Found<T>[],
  { limit, backwards }: { readonly limit: number; readonly backwards: boolean },
): Page<T> {
  const sorted = found.toSorted(
    (one, two) => compareBytes(one.name, two.name) || compareBytes(one.user, two.user),
  )
  const hasMore = sorted.length > limit
  const page = backwards && hasMore ? sorted.slice(sorted.length - limit) : sorted.slice(0, limit)
  return { data: page.map(({ value }) => value), hasMore }
}

/** The order of both stores. JavaScript's own `<` puts U+FFFD before an emoji's surrogates. */
function compareBytes(one: string, two: string): number {
  return Buffer.compare(Buffer.from(one), Buffer.from(two))
}
