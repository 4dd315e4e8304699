import type { Handler, Hono } from 'hono'
import { ServiceError } from '../lib/errors.ts'
import { setHeader } from './answer.ts'
import type { AppContext, AppEnv, Check } from './context.ts'
import { answerOptions, type Origins, requireAllowedOrigin } from './origins.ts'

/** One URL: what each method runs in turn, checks and then what answers. `HEAD` goes wherever `GET` does. */
export type Methods = Readonly<
  Partial<Record<'GET' | 'POST' | 'PUT' | 'DELETE', readonly (Check | Handler<AppEnv>)[]>>
>

/**
 * Adds one URL so that the contract's order holds: an unknown path is 404 and another method 405
 * before the origin is looked at, and the origin before anything of ours runs.
 *
 * @param app - where to
 * @param origins - who may call it from a browser
 * @param route - Hono's path pattern and the methods behind it
 */
export function addRoute(
  app: Hono<AppEnv>,
  origins: Origins,
  route: { readonly path: string; readonly methods: Methods },
): void {
  const { path, methods } = route
  const allow = allowedMethods(methods)
  for (const [method, handlers] of Object.entries(methods)) {
    app.on(method, path, inTurn([requireAllowedOrigin(origins), ...handlers]))
  }
  app.options(path, answerOptions(origins, allow))
  app.all(path, (c: AppContext) => {
    setHeader(c, 'Allow', allow)
    throw new ServiceError('method_not_allowed', { reason: 'the path has other methods' })
  })
}

/** One layer of Hono's for all: each costs some 1 µs, for the `next()` that a check has no use for. */
function inTurn(steps: readonly (Check | Handler<AppEnv>)[]): Handler<AppEnv> {
  return async (c, next) => {
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
