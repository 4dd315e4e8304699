// Finds out whether the `user` expressions of two issuers could yield one user. Each of them may set its own issuer
// apart; a subject of one issuer can still spell the issuer of the other where the other expression has it.

import type { UserPart } from './user-parts.ts'

/** Characters of a pseudonym: `u_` and 43 digits of base64url. */
const PSEUDONYM_LENGTH = 45

/** Whether a token of one issuer could get the user of a token of the other. */
export function couldBeEqual(one: readonly UserPart[], other: readonly UserPart[]): boolean {
  return !differ(one, other, 'start') && !differ(one.toReversed(), other.toReversed(), 'end')
}

/** The parts of a user at one issuer. */
export function withIssuer(parts: readonly UserPart[], issuer: string): readonly UserPart[] {
  return parts.map((part): UserPart => {
    if (part.kind === 'issuer') return { kind: 'text', text: issuer }
    if (part.kind !== 'pseudonym') return part
    return { kind: 'pseudonym', of: part.of.map((parts) => withIssuer(parts, issuer)) }
  })
}

/** Whether two users differ, read from one side up to the first value that a token chooses. */
function differ(
  [a, ...restOfA]: readonly UserPart[],
  [b, ...restOfB]: readonly UserPart[],
  side: 'start' | 'end',
): boolean {
  if (a === undefined || b === undefined) {
    return [a, ...restOfA, b, ...restOfB].some((part) => part !== undefined && !mayBeEmpty(part))
  }
  if (a.kind === 'text' && b.kind === 'text') {
    const length = Math.min(a.text.length, b.text.length)
    if (cut(a.text, length, side) !== cut(b.text, length, side)) return true
    return differ(
      [...left(a.text, length, side), ...restOfA],
      [...left(b.text, length, side), ...restOfB],
      side,
    )
  }
  if (a.kind === 'pseudonym' && b.kind === 'pseudonym') {
    const same = a.of.length === b.of.length
    const equal = same && a.of.every((parts, at) => couldBeEqual(parts, b.of[at] ?? []))
    return !equal || differ(restOfA, restOfB, side)
  }
  if (a.kind === 'chosen' || b.kind === 'chosen') return false
  const text = a.kind === 'text' ? a.text : b.kind === 'text' ? b.text : ''
  return !/^[\w-]*$/.test(cut(text, PSEUDONYM_LENGTH, side))
}

function mayBeEmpty(part: UserPart): boolean {
  return part.kind === 'chosen' || (part.kind === 'text' && part.text === '')
}

function cut(text: string, length: number, side: 'start' | 'end'): string {
  return side === 'start' ? text.slice(0, length) : text.slice(Math.max(0, text.length - length))
}

function left(text: string, length: number, side: 'start' | 'end'): UserPart[] {
  const rest =
    side === 'start' ? text.slice(length) : text.slice(0, Math.max(0, text.length - length))
  return rest === '' ? [] : [{ kind: 'text', text: rest }]
}
