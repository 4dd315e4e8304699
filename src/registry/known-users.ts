// The records of users who have had a session, and the names by which a search finds them.

import { z } from 'zod'
import type { Page } from './records.ts'
import { count, readerOf, text, userId } from './rows.ts'

const knownUser = z.object({
  user: userId,
  issuer: text,
  subject: text,
  /** When a session was last minted; up to {@link SEEN_AGAIN_SECONDS} too early. */
  lastSeen: count,
  liveSessions: count,
  /** The end of the block that holds now, if one does. */
  blockedUntil: count.optional(),
})

/**
 * A user who has had a session. Issuer and subject are those of a token if a token ever minted for the
 * user, and of a backend (issuer `key:<id>`, subject the user) otherwise.
 */
export type KnownUser = Readonly<z.output<typeof knownUser>>
export const toKnownUser = readerOf<KnownUser>(knownUser)

export interface UserQuery {
  /**
   * The beginning of a user or of a subject; case is ignored as `toLowerCase()` does. Users come in the
   * order of the name in lower case. Absent: all users, last seen first.
   */
  readonly q?: string | undefined
  readonly limit: number
  /** A user on this list: the page begins after it. */
  readonly after?: string | undefined
  readonly now: number
}

/** A mint updates `lastSeen` only if it is at least this many seconds old, so that most mints only read it. */
export const SEEN_AGAIN_SECONDS = 60

const names = z.object({
  /** The first of the two, by their UTF-8 bytes. */
  name: text,
  /** The second; absent when both are equal. */
  otherName: text.optional(),
  /**
   * UTF-16 units that both names begin with; absent when both are equal. A search text of at most this length
   * finds the user by both names, and must count the first only.
   */
  shared: count.optional(),
})

/** A user's two names in lower case: the user itself and the subject. */
export type Names = Readonly<z.output<typeof names>>
export const toNames = readerOf<Names>(names)

export function namesOf(user: string, subject: string): Names {
  const [one, two] = [user.toLowerCase(), subject.toLowerCase()]
  if (one === two) return { name: one }
  const shared = sharedUnits(one, two)
  const [name, otherName] = compareBytes(one, two) < 0 ? [one, two] : [two, one]
  return { name, otherName, shared }
}

/** The first of the names that begin with `folded` (in lower case); undefined when none does. */
export function matchingName({ name, otherName }: Names, folded: string): string | undefined {
  if (name.startsWith(folded)) return name
  return otherName?.startsWith(folded) ? otherName : undefined
}

/** A user that a search found, and the name by which it did. */
export interface Found<T> {
  readonly name: string
  readonly user: string
  readonly value: T
}

/**
 * Merges the results of several ranges of names into one page, in the order of names. Each range gave at most
 * its first `limit + 1` users behind the cursor.
 */
export function mergeFound<T>(found: readonly Found<T>[], limit: number): Page<T> {
  const sorted = found.toSorted(
    (one, two) => compareBytes(one.name, two.name) || compareBytes(one.user, two.user),
  )
  const data = sorted.slice(0, limit).map(({ value }) => value)
  return { data, hasMore: sorted.length > limit }
}

/**
 * Compares UTF-8 bytes, as both stores do: they are in the order of code points. JavaScript's own `<` compares UTF-16
 * units and orders emoji differently.
 */
function compareBytes(one: string, two: string): number {
  const at = sharedUnits(one, two)
  return (one.codePointAt(at) ?? -1) - (two.codePointAt(at) ?? -1)
}

function sharedUnits(one: string, two: string): number {
  let shared = 0
  while (shared < one.length && one[shared] === two[shared]) shared++
  return shared
}
