// Joins the two halves of a route, definition and handler, and adds URLs to the app.

import type { Handler, Hono } from 'hono'
import type { Result } from 'hono/router'
import { TrieRouter } from 'hono/router/trie-router'
import { ServiceError } from '../lib/errors.ts'
import { show, showAll } from '../lib/show.ts'
import { setHeader } from './answer.ts'
import type { AppContext, AppEnv, Check } from './context.ts'
import { answerOptions, type Origins, refuseForeignOrigin } from './origins.ts'
import { query } from './query.ts'
import type { CheckName, RouteDefinition, RouteDefinitions } from './route-definition.ts'

/** The steps of each method of one URL: checks, then the handler. `HEAD` runs the steps of `GET`. */
export type Methods = Readonly<
  Partial<Record<'GET' | 'POST' | 'PUT' | 'DELETE', readonly (Check | Handler<AppEnv>)[]>>
>

/** The URLs of all routes that have a handler; the keys are Hono's path patterns. */
export function withHandlers(
  routes: RouteDefinitions,
  handlers: Readonly<Record<string, Handler<AppEnv> | undefined>>,
  checks: Readonly<Record<CheckName, Check | undefined>>,
): Readonly<Record<string, Methods>> {
  const urls: Record<string, Methods> = {}
  for (const [id, route] of Object.entries(routes)) {
    const handler = handlers[id]
    if (handler === undefined) continue
    const path = route.path.replaceAll(/\{(\w+)\}/g, ':$1')
    const steps = [...checksOf(route, checks), handler]
    urls[path] = { ...urls[path], [route.method]: steps }
  }
  return urls
}

function checksOf(
  { path, checks: names, query: parameters }: RouteDefinition,
  checks: Readonly<Record<CheckName, Check | undefined>>,
): Check[] {
  const found = names.map((name) => checks[name])
  if (!found.every((check) => check !== undefined)) throw new Error(`no check for ${path}`)
  // Backends get their refusals in the words of the API, from the handler.
  if (parameters === undefined || names.includes('backend')) return found
  return [...found, query(parameters)]
}

/** Finds the routes of a path, and remembers them where the path is fixed: to search for them takes 6,500 instructions of a mint. */
export class RouteFinder<T> extends TrieRouter<T> {
  /** By path and method. */
  readonly #found = new Map<string, Map<string, Result<T>>>()

  override add(method: string, path: string, handler: T): void {
    super.add(method, path, handler)
    if (!/[:*]/.test(path)) this.#found.set(path, new Map())
  }

  override match(method: string, path: string): Result<T> {
    const known = this.#found.get(path)
    const result = known?.get(method) ?? super.match(method, path)
    known?.set(method, result)
    return result
  }
}

/**
 * Adds one URL. Refusals keep the documented order: an unknown path is 404 and another method 405 before
 * the origin is checked, and the origin is checked before the steps of the route run.
 *
 * @param route - Hono's path pattern and the methods of this URL
 */
export function addRoute(
  app: Hono<AppEnv>,
  origins: Origins,
  route: { readonly path: string; readonly methods: Methods },
): void {
  const { path, methods } = route
  const allow = allowedMethods(methods)
  for (const [method, handlers] of Object.entries(methods)) {
    app.on(method, path, inTurn(handlers, origins))
  }
  app.options(path, answerOptions(origins, allow))
  app.all(path, (c: AppContext) => {
    setHeader(c, 'Allow', allow)
    const reason = `the path has no ${c.req.method}, expected ${allow}`
    throw new ServiceError('method_not_allowed', { reason })
  })
}

/** What the config needs for the routes below a path. */
const CONFIGURED: readonly (readonly [string, string])[] = [
  ['/chatkit/', 'a workflow with `server`'],
  ['/v1/chatkit/', '`api_keys`'],
  ['/v1/admin/', '`admins`'],
  ['/admin', '`console`'],
]

/**
 * The error for a path that no route has. Its reason says what the config lacks for it, or names the paths that
 * begin most alike.
 *
 * @param paths - of all routes
 */
export function noSuchRoute(path: string, paths: readonly string[]): ServiceError {
  const below = ([start]: (typeof CONFIGURED)[number], one: string) => one.startsWith(start)
  const absent = CONFIGURED.find(
    (rule) => below(rule, path) && !paths.some((one) => below(rule, one)),
  )
  const near = paths.toSorted((one, other) => alike(path, other) - alike(path, one)).slice(0, 3)
  const expected = absent
    ? `which needs ${absent[1]} in the config`
    : `expected one like ${showAll(near)}`
  return new ServiceError('not_found', { reason: `no route ${show(path)}, ${expected}` })
}

/** Number of first characters that two texts share. */
function alike(one: string, other: string): number {
  let at = 0
  while (at < one.length && one[at] === other[at]) at++
  return at
}

/**
 * Runs all steps in one Hono handler: each handler costs about 1 µs for a `next()` that checks do not
 * use.
 */
function inTurn(steps: readonly (Check | Handler<AppEnv>)[], origins: Origins): Handler<AppEnv> {
  return async (c, next) => {
    refuseForeignOrigin(c, origins)
    for (const step of steps) {
      const answer: Response | undefined = await step(c, next)
      if (answer !== undefined) return answer
    }
    return next()
  }
}

function allowedMethods(methods: Methods): string {
  const names = Object.keys(methods)
  return [...names, ...(names.includes('GET') ? ['HEAD'] : []), 'OPTIONS'].join(', ')
}
