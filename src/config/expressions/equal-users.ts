// Finds out whether the `user` expressions of two issuers could yield one user. Each of them may set its own issuer
// apart; a subject of one issuer can still spell the issuer of the other where the other expression has it.

import { reversed, type UserPart } from './user-parts.ts'

/** Characters of a pseudonym: `u_` and 43 digits of base64url. */
const PSEUDONYM_LENGTH = 45

/** Whether a token of one issuer could get the user of a token of the other. */
export function couldBeEqual(one: readonly UserPart[], other: readonly UserPart[]): boolean {
  return !differ(one, other) && !differ(mirrored(one), mirrored(other))
}

/** The parts as they are read from the end. A pseudonym stays as it is: each end of it has the same characters. */
function mirrored(parts: readonly UserPart[]): readonly UserPart[] {
  return parts
    .map((part): UserPart => (part.kind === 'text' ? { ...part, text: reversed(part.text) } : part))
    .toReversed()
}

/** The parts of a user at one issuer. */
export function withIssuer(parts: readonly UserPart[], issuer: string): readonly UserPart[] {
  return parts.map((part): UserPart => {
    if (part.kind === 'issuer') return { kind: 'text', text: issuer }
    if (part.kind !== 'pseudonym') return part
    return { kind: 'pseudonym', of: part.of.map((parts) => withIssuer(parts, issuer)) }
  })
}

/** Whether two users differ, read from the start up to the first value that a token chooses. */
function differ(
  [a, ...restOfA]: readonly UserPart[],
  [b, ...restOfB]: readonly UserPart[],
): boolean {
  if (a === undefined || b === undefined) {
    return [a, ...restOfA, b, ...restOfB].some((part) => part !== undefined && !mayBeEmpty(part))
  }
  if (a.kind === 'text' && b.kind === 'text') {
    const length = Math.min(a.text.length, b.text.length)
    if (a.text.slice(0, length) !== b.text.slice(0, length)) return true
    return differ([...after(a.text, length), ...restOfA], [...after(b.text, length), ...restOfB])
  }
  if (a.kind === 'pseudonym' && b.kind === 'pseudonym') {
    const same = a.of.length === b.of.length
    const equal = same && a.of.every((parts, at) => couldBeEqual(parts, b.of[at] ?? []))
    return !equal || differ(restOfA, restOfB)
  }
  if (a.kind === 'chosen' || b.kind === 'chosen') return false
  const text = a.kind === 'text' ? a.text : b.kind === 'text' ? b.text : ''
  return !/^[\w-]*$/.test(text.slice(0, PSEUDONYM_LENGTH))
}

function mayBeEmpty(part: UserPart): boolean {
  return part.kind === 'chosen' || (part.kind === 'text' && part.text === '')
}

/** The rest of a text; none when nothing is left of it. */
function after(text: string, length: number): UserPart[] {
  return text.length === length ? [] : [{ kind: 'text', text: text.slice(length) }]
}
