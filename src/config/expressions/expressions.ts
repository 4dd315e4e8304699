// Makes expressions of the config file from their CEL text.

import { Environment } from '@marcbachmann/cel-js'
import { UnsignedInt } from '@marcbachmann/cel-js/evaluator'
import type { Expression } from '../settings.ts'
import { MAX_PSEUDONYM_PARTS, type Pseudonym } from './pseudonym.ts'
import {
  callsFunction,
  claimsUsed,
  ExpressionError,
  isIssuer,
  mentionsIssuer,
  refuseCostly,
} from './rules.ts'
import { type UserPart, userBranches } from './user-parts.ts'

/** The result that a key of the config file expects of its expression, and the variables that it offers. */
export interface ExpressionUse {
  /** The type of its result; `scalar` is a string, a number or a bool. */
  readonly result: 'string' | 'bool' | 'scalar'
  /** Whether the variable `input` exists, as it does in workflows. */
  readonly input: boolean
}

/** An expression, with the facts that other checks of the config file need. */
export interface CompiledExpression extends Expression {
  readonly mentionsIssuer: boolean
  readonly userBranches: readonly (readonly UserPart[])[]
  readonly callsPseudonym: boolean
}

/** Turns text into an expression. */
export type Compile = (source: string, use: ExpressionUse) => CompiledExpression

const MAX_LENGTH = 4096

const LIMITS = {
  maxAstNodes: 1000,
  maxDepth: 50,
  maxListElements: 200,
  maxMapEntries: 200,
  maxCallArguments: MAX_PSEUDONYM_PARTS,
}

const EXPECTED: Readonly<Record<ExpressionUse['result'], readonly string[]>> = {
  string: ['string', 'dyn'],
  bool: ['bool', 'dyn'],
  scalar: ['string', 'int', 'uint', 'double', 'bool', 'dyn'],
}

const WANTED: Readonly<Record<ExpressionUse['result'], string>> = {
  string: 'a string',
  bool: 'a bool',
  scalar: 'a string, a number or a bool',
}

/**
 * A compiler for the config file's CEL expressions. None of the functions that they can call is
 * asynchronous, random or dependent on the clock, so equal claims give equal results.
 *
 * @param pseudonym - the function behind `pseudonym()`; when undefined, a call fails at its evaluation
 * @returns the compiler; it throws {@link ExpressionError} for an expression that does not parse, has the wrong
 * type or is refused
 */
export function createCompiler(pseudonym: Pseudonym | undefined): Compile {
  const everywhere = createEnvironment(pseudonym)
  const inWorkflows = createEnvironment(pseudonym).registerVariable('input', 'map<string, dyn>')
  return (source, use) => compile(use.input ? inWorkflows : everywhere, source, use)
}

function createEnvironment(pseudonym: Pseudonym | undefined): Environment {
  const environment = new Environment({ limits: LIMITS, homogeneousAggregateLiterals: false })
    .registerVariable('claims', 'map<string, dyn>')
    .registerVariable('issuer', 'string')
  const handler = pseudonym ?? refusePseudonym
  for (let count = 1; count <= MAX_PSEUDONYM_PARTS; count++) {
    const params = Array.from({ length: count }, (_, at) => ({ name: `p${at}`, type: 'string' }))
    environment.registerFunction({
      name: 'pseudonym',
      params,
      returnType: 'string',
      handler,
      async: false,
    })
  }
  return environment
}

function refusePseudonym(): never {
  throw new ExpressionError('pseudonym() needs USER_PSEUDONYM_KEY')
}

function compile(environment: Environment, source: string, use: ExpressionUse): CompiledExpression {
  if (source.length > MAX_LENGTH)
    throw new ExpressionError(`is longer than ${MAX_LENGTH} characters`)
  const parsed = parseExpression(environment, source)
  refuseCostly(parsed.ast)
  checkType(source, parsed.check(), use)
  return {
    source,
    claims: claimsUsed(parsed.ast),
    mentionsIssuer: mentionsIssuer(parsed.ast),
    userBranches: userBranches(parsed.ast, isIssuer),
    callsPseudonym: callsFunction(parsed.ast, 'pseudonym'),
    evaluate: ({ issuer, claims, input = NO_INPUT }) => {
      const value: unknown = parsed({ issuer, claims: celValue(claims), input: celValue(input) })
      return value instanceof UnsignedInt ? value.valueOf() : value
    },
  }
}

const NO_INPUT = {}

/** Values known to need no change. A token that is seen again has the same claims object. */
const plain = new WeakSet<object>()

/**
 * Prepares claims or input for CEL, where the library or JSON would give them another meaning. An object with a member
 * "constructor" becomes a `Map`: the library takes an object's type from that member, and so would take it from the
 * token or the client. A whole number beyond 2^53, which has lost digits, becomes null: as part of a user it would
 * make two subjects one user.
 */
function celValue(value: object): unknown {
  if (plain.has(value)) return value
  if (needsChange(value)) return converted(value)
  plain.add(value)
  return value
}

/** @returns for a number, whether it has lost digits */
function needsChange(value: unknown): boolean {
  if (typeof value === 'number') return Number.isInteger(value) && !Number.isSafeInteger(value)
  if (typeof value !== 'object' || value === null) return false
  if (!Array.isArray(value) && Object.hasOwn(value, 'constructor')) return true
  for (const key in value) if (needsChange(Reflect.get(value, key))) return true
  return false
}

function converted(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return needsChange(value) ? null : value
  if (Array.isArray(value)) return value.map(converted)
  const entries = Object.entries(value).map(([key, member]) => [key, converted(member)] as const)
  return Object.hasOwn(value, 'constructor') ? new Map(entries) : Object.fromEntries(entries)
}

function parseExpression(
  environment: Environment,
  source: string,
): ReturnType<Environment['parse']> {
  try {
    return environment.parse(source)
  } catch (error) {
    throw notValid('a CEL expression', summary(error), hintFor(source))
  }
}

function notValid(what: string, why: string, hint: string | undefined): ExpressionError {
  return new ExpressionError(`is not ${what}: ${why}${hint === undefined ? '' : `; ${hint}`}`)
}

/** Notations of other languages, and their form in CEL. Quoted text counts as "". */
const OTHERWISE_IN_CEL: readonly (readonly [RegExp, string])[] = [
  [/!==/, 'use != to compare'],
  [/===|(?<![=!<>])=(?![=>])/, 'use == to compare'],
  [/[“”‘’]/, 'use straight quotes'],
  [/\?\.|\.\?|\[\?|\?\?/, 'ask has(claims.plan) before'],
  [/\b(?:and|or|not)\b/, 'use && || !'],
  [
    /claims(?:\.\w+)*(?::|\.\w+-\w)/,
    'a name with other characters than letters, digits and _ goes into brackets: claims["a:b"]',
  ],
  [/\bin\s*\(/, 'a list is in brackets: claims.plan in ["a", "b"]'],
  [/\bhas\([^)]*\[/, 'has() takes claims.plan; for a name in brackets write "a:b" in claims'],
  [
    /\.(?:includes|some|endswith|startswith)\(/i,
    'a list is asked with "a" in claims.groups, a text with contains(), startsWith() or endsWith()',
  ],
]

function hintFor(source: string): string | undefined {
  const bare = source.replaceAll(/"[^"]*"|'[^']*'/g, '""')
  return OTHERWISE_IN_CEL.find(([written]) => written.test(bare))?.[1]
}

function checkType(
  source: string,
  checked: { valid: boolean; type?: string; error?: unknown },
  use: ExpressionUse,
): void {
  if (!checked.valid) {
    const why = summary(checked.error)
    const names = use.input ? 'claims, issuer and input' : 'claims and issuer'
    const known = why.startsWith('Unknown variable')
      ? `there are ${names} here, and text needs its own quotes, as in '"admin" in claims.roles'`
      : undefined
    throw notValid('a valid CEL expression', why, hintFor(source) ?? known)
  }
  if (!EXPECTED[use.result].includes(checked.type ?? '')) {
    throw new ExpressionError(`must yield ${WANTED[use.result]}, but yields ${checked.type}`)
  }
}

/** The library's message without its drawing of the source. */
function summary(error: unknown): string {
  if (!(error instanceof Error)) return 'cannot be read'
  return 'summary' in error ? String(error.summary) : error.message
}
