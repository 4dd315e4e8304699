// Refuses expressions that could keep the process busy, and finds the variables and claims that an expression uses.

import type { ASTNode } from '@marcbachmann/cel-js'
import type { Expression } from '../settings.ts'
import { slowPatternProblem } from './slow-pattern.ts'

/** An expression that must not run. The message tells the operator why. */
export class ExpressionError extends Error {
  override readonly name = 'ExpressionError'
}

const COMPREHENSIONS = new Set(['all', 'exists', 'exists_one', 'map', 'filter'])
/** The library checks calls of these, but cannot evaluate them. */
const OPTIONALS = new Set(['of', 'none', 'ofNonZeroValue'])
const VARIABLES = new Set(['claims', 'issuer', 'input', 'cel'])
/** Methods whose time grows with the value that they read. */
const READERS = new Set([
  ...['matches', 'contains', 'indexOf', 'lastIndexOf', 'split', 'join', 'size'],
  ...['lowerAscii', 'upperAscii', 'trim'],
])

/** A variable that a macro binds to a value inside its bodies. */
interface Binding {
  readonly name: string
  readonly value: ASTNode
  readonly bodies: readonly ASTNode[]
  readonly loops: boolean
}

/** Context of a node: names that can hold client input, and the loops around it. */
interface Surroundings {
  readonly tainted: ReadonlySet<string>
  /** Names that hold an element of a loop, or a part of one. */
  readonly elements: ReadonlySet<string>
  /** Loops whose lists are no part of one another, so that their lengths multiply. */
  readonly multiplied: number
  readonly loops: number
  readonly taintedLoops: number
}

/**
 * Refuses calls that could keep the process busy for seconds on a hostile value: `matches()` is a backtracking
 * RegExp, `duration()` parses in cubic time, nested loops multiply.
 *
 * @throws {@link ExpressionError}
 */
export function refuseCostly(ast: ASTNode): void {
  inspect(ast, {
    tainted: new Set(['input']),
    elements: new Set(),
    multiplied: 0,
    loops: 0,
    taintedLoops: 0,
  })
}

/** Whether the expression uses the issuer: `issuer`, `claims.iss` or `claims["iss"]`, anywhere. */
export function mentionsIssuer(ast: ASTNode): boolean {
  return some(ast, isIssuer)
}

/** `issuer`, `claims.iss` or `claims["iss"]`. */
export function isIssuer(node: ASTNode): boolean {
  return isId(node, 'issuer') || isClaim(node, 'iss')
}

/**
 * The claims that the expression uses besides `iss`. With `subject` its result follows from issuer and subject;
 * with `none` it is the same for all tokens of an issuer.
 */
export function claimsUsed(ast: ASTNode): Expression['claims'] {
  const all = count(ast, (node) => isId(node, 'claims'))
  const besides = all - count(ast, (node) => isClaim(node, 'iss'))
  if (besides === 0) return 'none'
  return besides === count(ast, (node) => isClaim(node, 'sub')) ? 'subject' : 'others'
}

/** Whether the expression calls a global function. */
export function callsFunction(ast: ASTNode, name: string): boolean {
  return some(ast, (node) => node.op === 'call' && node.args[0] === name)
}

function inspect(node: ASTNode, around: Surroundings): void {
  const binding = bindingOf(node)
  if (binding === undefined) {
    refuseCall(node, around.tainted)
    refuseRepeatedReading(node, around)
    for (const child of children(node)) inspect(child, around)
    return
  }
  if (VARIABLES.has(binding.name)) {
    throw new ExpressionError(`gives another meaning to ${binding.name}; use another name there`)
  }
  inspect(binding.value, around)
  const inside = enterBinding(binding, around)
  for (const body of binding.bodies) inspect(body, inside)
}

function enterBinding(binding: Binding, around: Surroundings): Surroundings {
  const fromInput = stemsFrom(binding.value, around.tainted)
  const fromElement = stemsFrom(binding.value, around.elements)
  const tainted = withName(around.tainted, binding.name, fromInput)
  const elements = withName(around.elements, binding.name, fromElement || binding.loops)
  if (!binding.loops) return { ...around, tainted, elements }
  const multiplied = around.multiplied + (fromElement ? 0 : 1)
  const loops = around.loops + 1
  const taintedLoops = around.taintedLoops + (fromInput ? 1 : 0)
  if (loops > 2 || (loops > 1 && taintedLoops > 0)) {
    throw new ExpressionError(
      'nests all(), exists(), map() or filter() more than twice, or around client input; nest less',
    )
  }
  return { tainted, elements, multiplied, loops, taintedLoops }
}

function withName(names: ReadonlySet<string>, name: string, isIn: boolean): ReadonlySet<string> {
  const changed = new Set(names)
  if (isIn) changed.add(name)
  else changed.delete(name)
  return changed
}

/**
 * Refuses to read the same claim in each round of two loops. A token could divide its length among two lists and that
 * claim, and the expression would take the cube of the length: seconds in all.
 */
function refuseRepeatedReading(node: ASTNode, { elements, multiplied }: Surroundings): void {
  const read = multiplied > 1 ? valueRead(node) : undefined
  if (read === undefined || !some(read, ({ op }) => op === 'id') || stemsFrom(read, elements))
    return
  throw new ExpressionError(
    'reads a whole claim again in each round of two loops, by in, size(), contains() or the like; nest less',
  )
}

function valueRead(node: ASTNode): ASTNode | undefined {
  if (node.op === 'in') return node.args[1].op === 'list' ? undefined : node.args[1]
  if (node.op === 'rcall') return READERS.has(node.args[0]) ? node.args[1] : undefined
  return node.op === 'call' && node.args[0] === 'size' ? node.args[1][0] : undefined
}

function refuseCall(node: ASTNode, tainted: ReadonlySet<string>): void {
  if (node.op === 'call' && node.args[0] === 'duration' && !node.args[1].every(isText)) {
    throw new ExpressionError('calls duration() with something other than a literal text')
  }
  if (node.op === 'rcall' && isId(node.args[1], 'optional') && OPTIONALS.has(node.args[0])) {
    throw new ExpressionError('uses optional values, which there are not here; ask with has()')
  }
  if (node.op !== 'rcall' || node.args[0] !== 'matches') return
  const [, receiver, patterns] = node.args
  const pattern = patterns[0]
  if (pattern?.op !== 'value' || typeof pattern.args !== 'string') {
    throw new ExpressionError('calls matches() with a pattern that is not a literal text')
  }
  if (stemsFrom(receiver, tainted)) {
    throw new ExpressionError(
      'calls matches() on client input; use ==, in, startsWith(), endsWith() or contains() instead',
    )
  }
  refusePattern(pattern.args)
}

function refusePattern(pattern: string): void {
  try {
    new RegExp(pattern)
  } catch {
    throw new ExpressionError('calls matches() with a pattern that is not a regular expression')
  }
  const problem = slowPatternProblem(pattern)
  if (problem === undefined) return
  throw new ExpressionError(`calls matches() with a pattern that could take very long: ${problem}`)
}

function bindingOf(node: ASTNode): Binding | undefined {
  if (node.op !== 'rcall') return undefined
  const [method, receiver, [variable, ...rest]] = node.args
  if (variable?.op !== 'id') return undefined
  if (COMPREHENSIONS.has(method) && rest.length > 0) {
    return { name: variable.args, value: receiver, bodies: rest, loops: true }
  }
  const [value, ...bodies] = rest
  if (method !== 'bind' || !isId(receiver, 'cel') || value === undefined) return undefined
  return { name: variable.args, value, bodies, loops: false }
}

function stemsFrom(node: ASTNode, names: ReadonlySet<string>): boolean {
  return some(node, (part) => part.op === 'id' && names.has(part.args))
}

/** `claims.name` or `claims["name"]`. */
function isClaim(node: ASTNode, name: string): boolean {
  if (node.op === '.') return isId(node.args[0], 'claims') && node.args[1] === name
  if (node.op !== '[]') return false
  const [object, key] = node.args
  return isId(object, 'claims') && key.op === 'value' && key.args === name
}

function count(node: ASTNode, test: (node: ASTNode) => boolean): number {
  return children(node).reduce((sum, child) => sum + count(child, test), test(node) ? 1 : 0)
}

function isId(node: ASTNode, name: string): boolean {
  return node.op === 'id' && node.args === name
}

function isText(node: ASTNode): boolean {
  return node.op === 'value' && typeof node.args === 'string'
}

function some(node: ASTNode, test: (node: ASTNode) => boolean): boolean {
  return test(node) || children(node).some((child) => some(child, test))
}

function children(node: ASTNode): ASTNode[] {
  return nodesIn(node.args)
}

function nodesIn(value: unknown): ASTNode[] {
  if (Array.isArray(value)) return value.flatMap(nodesIn)
  return isNode(value) ? [value] : []
}

function isNode(value: unknown): value is ASTNode {
  return typeof value === 'object' && value !== null && 'op' in value && 'args' in value
}
