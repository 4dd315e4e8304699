import type { Handler } from 'hono'
import { z } from 'zod'
import type { Settings } from '../config/settings.ts'
import type { Clock } from '../lib/clock.ts'
import { ServiceError } from '../lib/errors.ts'
import { Secret } from '../lib/secret.ts'
import { mapFallback, mapSession, type NewSession } from '../map/map.ts'
import type { Mint } from '../mint/mint.ts'
import { presentClientSecret } from '../respond/session.ts'
import type { AppContext, AppEnv } from './app-env.ts'
import { callOptions } from './call-options.ts'
import { jsonBody, validBody } from './json-body.ts'
import { createMintOrder } from './mint-order.ts'

/** Body of `POST /v1/sessions`. What decides anything comes from config and claims, never from here. */
export const mintBody = z.strictObject({
  workflow: z.string().min(1).optional(),
  input: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).optional(),
  current_client_secret: z.string().nullish(),
})

/** What the session routes need. */
export interface SessionRoutesOptions {
  readonly settings: Settings
  readonly mint: Mint
  readonly now: Clock
}

/**
 * `POST /v1/sessions`: body, map, mint, respond. Origin and caller are checked before.
 *
 * @param options - rules, step 3, time
 */
export function createSession(options: SessionRoutesOptions): Handler<AppEnv>[] {
  const { workflows } = options.settings
  const mintOrder = createMintOrder(options.settings, options.now)
  const mintSession = async (c: AppContext) => {
    const { workflow, input, current_client_secret: current } = validBody(c, mintBody)
    const { principal, user } = c.var
    const request = { principal, user, asked: { workflow, input } }
    const currentSecret = current ? new Secret(current) : undefined
    const mint = (session: NewSession) => {
      c.var.trace.workflow = session.workflow.name
      return options.mint({ ...mintOrder(session, principal), currentSecret }, callOptions(c))
    }
    const session = mapSession(workflows, request)
    const minted = await mint(session).catch((error) => {
      const next = isGone(error) ? mapFallback(workflows, session, request) : undefined
      if (next === undefined) throw error
      return mint(next)
    })
    c.var.trace.session = minted.sessionId
    return c.json(presentClientSecret(minted.clientSecret))
  }
  return [jsonBody(mintBody), mintSession]
}

function isGone(error: unknown): boolean {
  return error instanceof ServiceError && error.code === 'workflow_unavailable'
}
