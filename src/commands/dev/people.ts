// Gives the people of the sign-in claims that fit the config, so that alice may use its first workflow and ada
// is an admin.

import { valueAt } from '../../config/file/problems.ts'
import type { Settings } from '../../config/settings.ts'
import {
  type AccountClaims,
  type Accounts,
  SAMPLE_ACCOUNTS,
} from '../../embedded/sign-in/accounts.ts'
import { ServiceError } from '../../lib/errors.ts'
import { isObject } from '../../lib/json.ts'
import { mapSession } from '../../map/map.ts'
import { mapUser } from '../../map/map-user.ts'

/** A path below `claims`, as CEL writes it: `.realm_access.roles`, `["cognito:groups"]`. */
const PATH = String.raw`\bclaims((?:\.\w+|\["[^"\]]+"\])+)`
const LITERAL = String.raw`("[^"]*"|true|false|-?\d+(?:\.\d+)?)`

const IN = new RegExp(String.raw`"([^"]*)"\s+in\s+${PATH}(?!\()`, 'g')
const COMPARED = new RegExp(String.raw`${PATH}\s*(==|>=|>|<=|<)\s*${LITERAL}`, 'g')
const CALLED = new RegExp(String.raw`${PATH}\(\s*"([^"]*)"`, 'g')
const ALONE = new RegExp(String.raw`^[\s(]*(!?)\s*${PATH}[\s)]*$`)
const GUARDED = new RegExp(String.raw`\bhas\(\s*${PATH}\s*\)`, 'g')
const ANY = new RegExp(String.raw`${PATH}(?!\w|\()`, 'g')

/** Claims that the sign-in makes for every token. */
const MADE = ['iss', 'sub', 'aud', 'exp', 'iat', 'nbf', 'sid', 'azp', 'client_id', 'auth_time']

/** A value that an expression wants at a path. With `isEntry` it is wanted as an entry of a list. */
interface Wish {
  readonly path: readonly string[]
  readonly value: unknown
  readonly isEntry?: boolean
}

/** The rule that must hold for a person, and expressions whose claims must exist. */
interface Asked {
  readonly rule: string | undefined
  readonly values: readonly string[]
}

/**
 * alice, bob and ada with the claims that the config's expressions want, as far as their text shows it:
 * comparisons with a literal, entries of lists, claims that must exist.
 */
export function peopleFor({ issuers, workflows, admins }: Settings): Accounts {
  const [first] = workflows
  const values = issuers.map(({ user }) => user.source)
  const variables = Array.from(first?.stateVariables.values() ?? [], ({ source }) => source)
  const { alice = {}, bob = {}, ada = {} } = SAMPLE_ACCOUNTS
  return {
    alice: fitted('alice', alice, { rule: first?.when?.source, values: [...values, ...variables] }),
    bob: fitted('bob', bob, { rule: undefined, values }),
    ada: fitted('ada', ada, { rule: admins?.when.source, values }),
  }
}

/**
 * Why a token gets no session for the config's default workflow.
 *
 * @returns undefined when it gets one
 */
export function whyNoSession(
  { issuers, workflows }: Settings,
  claims: AccountClaims,
): string | undefined {
  const settings = issuers.find(({ issuer }) => issuer === claims['iss'])
  if (settings === undefined) return undefined
  const principal = { issuer: settings.issuer, claims }
  try {
    mapSession(workflows, { principal, user: mapUser(settings.user, principal), asked: {} })
    return undefined
  } catch (error) {
    return error instanceof ServiceError ? error.reason : String(error)
  }
}

/** Claims that an expression uses without `has()`. */
export function neededClaims(source: string): string[] {
  return unguarded(source).map(([name = '']) => name)
}

function fitted(sub: string, claims: AccountClaims, { rule = '', values }: Asked): AccountClaims {
  const all: Record<string, unknown> = structuredClone({ ...claims })
  const done = new Set<string>()
  for (const wish of wishesOf(rule, sub)) {
    const place = wish.path.join('\n')
    // The first of two contradicting wishes (`||`) counts.
    if (wish.isEntry || !done.has(place)) grant(all, wish)
    done.add(place)
  }
  for (const path of [rule, ...values].flatMap(guardedIn).map((path) => path.slice(0, -1))) {
    // `has(claims.a.b)` is an error without `claims.a`.
    if (path.length > 0 && valueAt(all, path) === undefined) grant(all, { path, value: {} })
  }
  for (const path of [rule, ...values].flatMap(unguarded)) {
    if (valueAt(all, path) === undefined) grant(all, { path, value: `${sub}-${path.at(-1)}` })
  }
  return all
}

/** The values with which a rule holds. */
function wishesOf(rule: string, sub: string): Wish[] {
  const entries = [...rule.matchAll(IN)].map(([, value, path]): Wish => {
    return { path: steps(path), value, isEntry: true }
  })
  const compared = [...rule.matchAll(COMPARED)].map(([, path, sign = '', literal = '']): Wish => {
    return { path: steps(path), value: beyond(sign, JSON.parse(literal)) }
  })
  const called = [...rule.matchAll(CALLED)].map(([, path, text = '']): Wish => {
    const [method = '', ...rest] = steps(path).toReversed()
    return { path: rest.toReversed(), value: method === 'endsWith' ? sub + text : text + sub }
  })
  const alone = rule.split(/&&|\|\|/).flatMap((operand): Wish[] => {
    const found = ALONE.exec(operand)
    return found === null ? [] : [{ path: steps(found[2]), value: found[1] !== '!' }]
  })
  const all = [...entries, ...compared, ...called, ...alone]
  return all.filter(({ path: [name = ''] }) => !MADE.includes(name))
}

/** A value that satisfies a comparison with a literal. */
function beyond(sign: string, literal: unknown): unknown {
  if (typeof literal !== 'number') return literal
  return literal + (sign === '>' ? 1 : sign === '<' ? -1 : 0)
}

function unguarded(source: string): (readonly string[])[] {
  const guarded = guardedIn(source).map(String)
  return Array.from(source.matchAll(ANY), ([, path]) => steps(path))
    .filter((path) => !guarded.includes(String(path)))
    .filter(([name = '']) => !MADE.includes(name))
}

/** Paths that the expression tests with `has()`. */
function guardedIn(source: string): (readonly string[])[] {
  return Array.from(source.matchAll(GUARDED), ([, path]) => steps(path))
}

/** `.o["a b"]` → `['o', 'a b']` */
function steps(path = ''): readonly string[] {
  return Array.from(path.matchAll(/\.(\w+)|\["([^"]*)"\]/g), ([, plain, quoted]) => {
    return plain ?? quoted ?? ''
  })
}

/** Sets a value at a path; the other values on the way stay. */
function grant(claims: Record<string, unknown>, { path, value, isEntry = false }: Wish): void {
  const [name = '', ...rest] = path
  const current = Object.hasOwn(claims, name) ? claims[name] : undefined
  if (rest.length > 0) {
    const inner = isObject(current) ? { ...current } : {}
    grant(inner, { path: rest, value, isEntry })
    claims[name] = inner
  } else if (isEntry) {
    claims[name] = [...new Set([...(Array.isArray(current) ? current : []), value])]
  } else claims[name] = value
}
