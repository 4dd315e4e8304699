// Compiles every expression of the config file and reports those that are wrong.

import { concreteIssuers } from '../file/issuer-names.ts'
import {
  asList,
  asMapping,
  asText,
  type Path,
  type RawMapping,
  type Report,
} from '../file/problems.ts'
import type { Compile, CompiledExpression, ExpressionUse } from './expressions.ts'
import { ExpressionError } from './rules.ts'

/** Yields the ChatKit user. */
export const USER: ExpressionUse = { result: 'string', input: false }
/** Decides who is an admin. */
export const ADMIN: ExpressionUse = { result: 'bool', input: false }
/** Decides who may use a workflow. */
export const WHEN: ExpressionUse = { result: 'bool', input: true }
/** Yields a state variable. */
export const STATE_VARIABLE: ExpressionUse = { result: 'scalar', input: true }

/** An expression of the file, and where it stands. */
export interface PlacedExpression {
  readonly path: Path
  readonly compiled: CompiledExpression
}

/**
 * Compiles every expression of the file and checks what they have to say together.
 *
 * @param data - the whole file
 * @param compile - from `createCompiler`
 * @param report - called for each problem
 * @returns the expressions that compile
 */
export function reportExpressionProblems(
  data: RawMapping,
  compile: Compile,
  report: Report,
): PlacedExpression[] {
  const placed: PlacedExpression[] = []
  const place = (value: unknown, path: Path, use: ExpressionUse): PlacedExpression | undefined => {
    // What is not text, and the empty text, are the schema's to report.
    if (typeof value !== 'string' || value === '') return undefined
    const compiled = tryCompile(() => compile(value, use), path, report)
    if (compiled === undefined) return undefined
    const expression = { path, compiled }
    placed.push(expression)
    return expression
  }
  reportUsers(data, (value, path) => place(value, path, USER), report)
  placeWorkflows(asMapping(data['workflows']), place)
  place(asMapping(data['admins'])['when'], ['admins', 'when'], ADMIN)
  return placed
}

type Place = (value: unknown, path: Path, use: ExpressionUse) => unknown

function placeWorkflows(workflows: RawMapping, place: Place): void {
  for (const [name, value] of Object.entries(workflows)) {
    const workflow = asMapping(value)
    place(workflow['when'], ['workflows', name, 'when'], WHEN)
    for (const [key, source] of Object.entries(asMapping(workflow['state_variables']))) {
      place(source, ['workflows', name, 'state_variables', key], STATE_VARIABLE)
    }
  }
}

/**
 * With several issuers, the subject alone names nobody: whoever runs one issuer could make a user
 * with the subject of another's and read their threads.
 */
function reportUsers(
  data: RawMapping,
  place: (value: unknown, path: Path) => PlacedExpression | undefined,
  report: Report,
): void {
  const issuers = asList(data['issuers']).map(asMapping)
  const several =
    issuers.length > 1 ||
    issuers.flatMap(({ issuer, tenants }) => concreteIssuers({ issuer, tenants })).length > 1
  const shared = place(data['user'], ['user'])
  const blind = (user: PlacedExpression | undefined): boolean =>
    several && user !== undefined && !user.compiled.mentionsIssuer
  const served = issuers.filter((issuer) => issuer['user'] === undefined)
  if (served.length > 0 && data['user'] === undefined) {
    report(['user'], `is missing; it is needed for ${names(served)}`)
  }
  if (served.length > 0 && blind(shared)) report(['user'], `${BLIND} (${names(served)})`)
  for (const [at, issuer] of issuers.entries()) {
    const path = ['issuers', at, 'user']
    if (blind(place(issuer['user'], path))) report(path, `${BLIND} (${names([issuer])})`)
  }
}

const BLIND =
  'must look at issuer or claims.iss, as in issuer + "|" + claims.sub: with several issuers, equal subjects would become one user'

function names(issuers: readonly RawMapping[]): string {
  return issuers.map((issuer) => asText(issuer['issuer']) ?? 'an issuer without a name').join(', ')
}

function tryCompile(
  compile: () => CompiledExpression,
  path: Path,
  report: Report,
): CompiledExpression | undefined {
  try {
    return compile()
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error
    report(path, error.message)
    return undefined
  }
}
