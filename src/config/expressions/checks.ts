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
import { couldBeEqual, isMixed, withIssuer } from './user-parts.ts'

/** Use of an expression that yields the ChatKit user. */
export const USER: ExpressionUse = { result: 'string', input: false }
/** Use of an expression that decides who is an admin. */
export const ADMIN: ExpressionUse = { result: 'bool', input: false }
/** Use of an expression that decides who may use a workflow. */
export const WHEN: ExpressionUse = { result: 'bool', input: true }
/** Use of an expression that yields a state variable. */
export const STATE_VARIABLE: ExpressionUse = { result: 'scalar', input: true }

/** An expression of the file, and where it stands. */
export interface PlacedExpression {
  readonly path: Path
  readonly compiled: CompiledExpression
}

/**
 * Compiles every expression of the file, and checks the `user` expressions against each other.
 *
 * @returns the expressions that compile
 */
export function reportExpressionProblems(
  data: RawMapping,
  compile: Compile,
  report: Report,
): PlacedExpression[] {
  const placed: PlacedExpression[] = []
  const place = (value: unknown, path: Path, use: ExpressionUse): PlacedExpression | undefined => {
    // The schema reports values that are not text, and empty texts.
    if (typeof value !== 'string' || value === '') return undefined
    try {
      const expression = { path, compiled: compile(value, use) }
      placed.push(expression)
      return expression
    } catch (error) {
      if (!(error instanceof ExpressionError)) throw error
      report(path, error.message)
      return undefined
    }
  }
  reportUsers(data, (value, path) => place(value, path, USER), report)
  for (const [name, value] of Object.entries(asMapping(data['workflows']))) {
    const { when, state_variables: variables } = asMapping(value)
    place(when, ['workflows', name, 'when'], WHEN)
    for (const [key, source] of Object.entries(asMapping(variables))) {
      place(source, ['workflows', name, 'state_variables', key], STATE_VARIABLE)
    }
  }
  place(asMapping(data['admins'])['when'], ['admins', 'when'], ADMIN)
  return placed
}

/**
 * With several issuers, a user must not consist of the subject alone: whoever runs one issuer could create a
 * user with the subject of another issuer's user, and read that user's threads.
 */
function reportUsers(
  data: RawMapping,
  place: (value: unknown, path: Path) => PlacedExpression | undefined,
  report: Report,
): void {
  const issuers = asList(data['issuers']).map(asMapping)
  const known = issuers.flatMap(concreteIssuers).map(({ issuer }) => issuer)
  const several = issuers.length > 1 || known.length > 1
  const shared = place(data['user'], ['user'])
  const problem = (user: PlacedExpression | undefined): string | undefined =>
    several && user !== undefined ? userProblem(user.compiled, known) : undefined
  const served = issuers.filter((issuer) => issuer['user'] === undefined)
  if (served.length > 0 && data['user'] === undefined) {
    report(['user'], `is missing; it is needed for ${names(served)}: write ${USUAL_USER}`)
  }
  const sharedProblem = served.length > 0 ? problem(shared) : undefined
  if (sharedProblem !== undefined) report(['user'], `${sharedProblem} (${names(served)})`)
  const users = issuers.map((issuer, at): IssuerUser => {
    const own = place(issuer['user'], ['issuers', at, 'user'])
    const isShared = issuer['user'] === undefined
    const wrong = isShared ? sharedProblem : problem(own)
    if (own && wrong !== undefined) report(own.path, `${wrong} (${names([issuer])})`)
    const user = isShared ? shared : own
    return {
      user: wrong === undefined ? user : undefined,
      issuers: concreteIssuers(issuer).map((one) => one.issuer),
    }
  })
  reportEqualUsers(users, report)
}

/** An entry of `issuers` with its effective expression; undefined when that has a problem of its own. */
interface IssuerUser {
  readonly user: PlacedExpression | undefined
  readonly issuers: readonly string[]
}

/** Reports each entry of which a subject could be named like a user of another issuer. */
function reportEqualUsers(entries: readonly IssuerUser[], report: Report): void {
  const users = entries.flatMap(({ user, issuers }, entry) =>
    user === undefined
      ? []
      : issuers.flatMap((issuer) =>
          user.compiled.userBranches.map((parts) => ({
            user,
            issuer,
            entry,
            parts: withIssuer(parts, issuer),
          })),
        ),
  )
  const reported = new Set<number>()
  for (const [at, one] of users.entries()) {
    if (reported.has(one.entry)) continue
    const other = users
      .slice(0, at)
      .find((before) => before.issuer !== one.issuer && couldBeEqual(before.parts, one.parts))
    if (other === undefined) continue
    reported.add(one.entry)
    const { path } = one.user.path[0] === 'user' ? other.user : one.user
    report(path, `${EQUAL} (${other.issuer}, ${one.issuer})`)
  }
}

/** The advised rule. It names the issuer, because a subject is unique at one issuer only. */
const USUAL_USER = `user: 'issuer + "|" + claims.sub'`
const BLIND =
  'must look at issuer or claims.iss, as in issuer + "|" + claims.sub: with several issuers, equal subjects would become one user'

const MIXED =
  'must set the issuer apart, as in issuer + "|" + claims.sub or pseudonym(issuer, claims.sub), by a text that no issuer holds: else issuer and subject can run into each other, and two subjects become one user'

const EQUAL =
  'could yield one user for subjects of two issuers: put the issuer in the same place for all of them, as in issuer + "|" + claims.sub'

/** Why subjects of two issuers could become one user. */
function userProblem(user: CompiledExpression, issuers: readonly string[]): string | undefined {
  if (!user.mentionsIssuer) return BLIND
  return user.userBranches.some((branch) => isMixed(branch, issuers)) ? MIXED : undefined
}

function names(issuers: readonly RawMapping[]): string {
  return issuers.map((issuer) => asText(issuer['issuer']) ?? 'an issuer without a name').join(', ')
}
