// Finds the parts of the users that an expression yields, whether it keeps the issuer apart from the others, and whether
// the expressions of two issuers could yield one user.

import type { ASTNode } from '@marcbachmann/cel-js'

/** A part of a user: the issuer, a text, a pseudonym of parts, or a value that a token chooses. */
export type UserPart =
  | { readonly kind: 'issuer' | 'chosen' }
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'pseudonym'; readonly of: readonly (readonly UserPart[])[] }

/**
 * The parts of a user, once for each branch of `? :` that can yield it.
 *
 * @param isIssuer - whether a node is `issuer` or `claims.iss`
 */
export function userBranches(
  node: ASTNode,
  isIssuer: (node: ASTNode) => boolean,
): readonly (readonly UserPart[])[] {
  if (node.op === '?:') {
    return node.args.slice(1).flatMap((branch) => userBranches(branch, isIssuer))
  }
  return [userParts(node, isIssuer)]
}

/** The operands of all `+` at the top of an expression. */
function userParts(node: ASTNode, isIssuer: (node: ASTNode) => boolean): UserPart[] {
  if (isIssuer(node)) return [{ kind: 'issuer' }]
  if (node.op === '+') return node.args.flatMap((operand) => userParts(operand, isIssuer))
  if (node.op === 'value' && typeof node.args === 'string') {
    return [{ kind: 'text', text: node.args }]
  }
  if (node.op === 'call' && node.args[0] === 'pseudonym') {
    return [{ kind: 'pseudonym', of: node.args[1].map((of) => userParts(of, isIssuer)) }]
  }
  return [{ kind: 'chosen' }]
}

/**
 * Whether an issuer can run into the other parts of its users, or one configured issuer into another one. Users of two
 * issuers never meet where the issuer stands alone, or as an argument of `pseudonym()`: all of its texts have one
 * length, and they differ when the arguments do.
 */
export function isMixed(branch: readonly UserPart[], issuers: readonly string[]): boolean {
  // Every user of the expression has the literals at both ends.
  const first = branch.findIndex(({ kind }) => kind !== 'text')
  const last = branch.findLastIndex(({ kind }) => kind !== 'text')
  const parts = branch.slice(Math.max(first, 0), last + 1)
  if (parts.some((part) => part.kind === 'pseudonym' && part.of.some(isIssuerAlone))) return false
  const begins = parts[0]?.kind === 'issuer'
  if (!begins && parts.at(-1)?.kind !== 'issuer') return true
  if (isIssuerAlone(parts)) return false
  const nearest = begins ? parts[1] : parts.at(-2)
  const text = nearest?.kind === 'text' ? nearest.text : ''
  if (text === '' || issuers.some((issuer) => issuer.includes(text))) return true
  const marked = issuers.map((issuer) => (begins ? issuer + text : reversed(text + issuer)))
  // In this order, a text stands right before the first that begins with it.
  const inOrder = [...new Set(marked)].sort()
  return inOrder.some((one, at) => at > 0 && one.startsWith(inOrder[at - 1] ?? ''))
}

function isIssuerAlone(parts: readonly UserPart[]): boolean {
  return parts.length === 1 && parts[0]?.kind === 'issuer'
}

/** Characters of a pseudonym: `u_` and 43 digits of base64url. */
const PSEUDONYM_LENGTH = 45

/**
 * Whether a token of one issuer could get the user of a token of the other. Each of their expressions may set its own
 * issuer apart; a subject of one issuer can still spell the other where the other expression has it.
 */
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

/** A text from its end, by UTF-16 units. */
function reversed(text: string): string {
  return text.split('').reverse().join('')
}
