import type { Handler } from 'hono'
import { z } from 'zod'
import { CALL_DEADLINE_MS, type CallOptions } from '../../chatkit/port.ts'
import type { Settings } from '../../config/settings.ts'
import type { Clock } from '../../lib/clock.ts'
import { ServiceError } from '../../lib/errors.ts'
import { Secret } from '../../lib/secret.ts'
import { mapFallback, mapSession, type NewSession } from '../../map/map.ts'
import type { Mint } from '../../mint/mint.ts'
import { presentClientSecret } from '../../respond/session.ts'
import { answerText } from '../answer.ts'
import type { AppContext, AppEnv } from '../context.ts'
import { jsonBody, validBody } from '../json-body.ts'
import { callOptions } from '../upstream-call-options.ts'
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
    const [principal, user, trace] = [c.get('principal'), c.get('user'), c.get('trace')]
    const request = { principal, user, asked: { workflow, input } }
    const currentSecret = current ? new Secret(current) : undefined
    const mint = (session: NewSession, call: CallOptions) => {
      trace.workflow = session.workflow.name
      return options.mint(
        { ...mintOrder(session, principal), currentSecret, standing: c.get('standing') },
        call,
      )
    }
    const session = mapSession(workflows, request)
    const begun = performance.now()
    const minted = await mint(session, callOptions(c)).catch((error) => {
      const next = isGone(error) ? mapFallback(workflows, session, request) : undefined
      if (next === undefined) throw error
      // The client waits for both: what the first call took, the second has not.
      const withinMs = Math.max(0, CALL_DEADLINE_MS - (performance.now() - begun))
      return mint(next, { ...callOptions(c), withinMs })
    })
    trace.session = minted.sessionId
    return answerText(c, {
      status: 200,
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(presentClientSecret(minted.clientSecret)),
    })
  }
  return [jsonBody(mintBody), mintSession]
}

function isGone(error: unknown): boolean {
  return error instanceof ServiceError && error.code === 'workflow_unavailable'
}
