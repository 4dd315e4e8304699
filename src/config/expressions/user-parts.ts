// Finds the parts of the users that an expression yields, and whether it keeps the issuer apart from the others.

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

/** A text from its end, by UTF-16 units. */
export function reversed(text: string): string {
  return text.split('').reverse().join('')
}
