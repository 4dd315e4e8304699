// Finds out whether an expression keeps the issuer apart from the other parts of the users that it yields.

import type { ASTNode } from '@marcbachmann/cel-js'

/** Position of the issuer in the user that one branch of an expression makes. */
export type IssuerPlace =
  /** Alone, or as an argument of `pseudonym()`: users of two issuers never meet. */
  | { readonly kind: 'separate' }
  /** At the beginning or the end of the user, with this text between it and the rest. */
  | { readonly kind: 'begins' | 'ends'; readonly text: string }
  /** Missing, or in a position where it can merge with another part. */
  | { readonly kind: 'mixed' }

/**
 * The place of the issuer, once for each branch of `? :` that can yield the user.
 *
 * @param isIssuer - whether a node is `issuer` or `claims.iss`
 */
export function issuerPlaces(
  node: ASTNode,
  isIssuer: (node: ASTNode) => boolean,
): readonly IssuerPlace[] {
  if (node.op === '?:') {
    const [, then, otherwise] = node.args
    return [...issuerPlaces(then, isIssuer), ...issuerPlaces(otherwise, isIssuer)]
  }
  return [placeIn(trimmed(partsOf(node)), isIssuer)]
}

/**
 * Whether two configured issuers could yield the same user. They could if one issuer with its separator is the
 * beginning (or the end) of another one.
 *
 * @param text - the separator between the issuer and the rest
 */
export function canMeet(
  issuers: readonly string[],
  { kind, text }: Extract<IssuerPlace, { text: string }>,
): boolean {
  if (text === '' || issuers.some((issuer) => issuer.includes(text))) return true
  const marked = issuers.map((issuer) =>
    kind === 'begins' ? issuer + text : reversed(text + issuer),
  )
  // In this order, a text stands right before the first that begins with it.
  const inOrder = [...new Set(marked)].sort()
  return inOrder.some((one, at) => at > 0 && one.startsWith(inOrder[at - 1] ?? ''))
}

function reversed(text: string): string {
  return text.split('').reverse().join('')
}

function placeIn(parts: readonly ASTNode[], isIssuer: (node: ASTNode) => boolean): IssuerPlace {
  if (parts.some((part) => namesInPseudonym(part, isIssuer))) return { kind: 'separate' }
  const begins = isAt(parts[0], isIssuer)
  const ends = isAt(parts.at(-1), isIssuer)
  if (begins && parts.length === 1) return { kind: 'separate' }
  if (begins) return { kind: 'begins', text: textOf(parts.slice(1)) }
  if (ends) return { kind: 'ends', text: textOf(parts.slice(0, -1).reverse()) }
  return { kind: 'mixed' }
}

function isAt(part: ASTNode | undefined, isIssuer: (node: ASTNode) => boolean): boolean {
  return part !== undefined && isIssuer(part)
}

/** All texts of `pseudonym()` have one length, and they differ when the arguments do. */
function namesInPseudonym(node: ASTNode, isIssuer: (node: ASTNode) => boolean): boolean {
  return node.op === 'call' && node.args[0] === 'pseudonym' && node.args[1].some(isIssuer)
}

/** The operands of all `+` at the top of an expression. */
export function partsOf(node: ASTNode): ASTNode[] {
  return node.op === '+' ? node.args.flatMap(partsOf) : [node]
}

/** Drops the literals at both ends, because every user of the expression has them. */
function trimmed(parts: readonly ASTNode[]): readonly ASTNode[] {
  const first = parts.findIndex((part) => literalOf(part) === undefined)
  const last = parts.findLastIndex((part) => literalOf(part) === undefined)
  return first < 0 ? [] : parts.slice(first, last + 1)
}

/** The literal nearest to the issuer; empty when there is none. */
function textOf([nearest]: readonly ASTNode[]): string {
  return (nearest && literalOf(nearest)) ?? ''
}

function literalOf(node: ASTNode): string | undefined {
  return node.op === 'value' && typeof node.args === 'string' ? node.args : undefined
}
