// `/v1/sessions`: the mint of a session, its audit entry, and the sign-out that ends all sessions of the
// caller.

import type { Handler } from 'hono'
import { z } from 'zod'
import { CALL_DEADLINE_MS } from '../../chatkit/port.ts'
import type { IssuedSession } from '../../chatkit/wire/session.ts'
import { scalar } from '../../chatkit/wire/wire.ts'
import type { Settings } from '../../config/settings.ts'
import type { Clock } from '../../lib/clock.ts'
import { isCode, ServiceError } from '../../lib/errors.ts'
import { Secret } from '../../lib/secret.ts'
import { mapFallback, mapSession, type NewSession } from '../../map/map.ts'
import { actorOfKey } from '../../map/map-backend.ts'
import { createParams, sessionSeconds } from '../../map/session-params.ts'
import type { BegunMint, Mint } from '../../mint/mint.ts'
import type { Audit } from '../../registry/audit.ts'
import { actorOf, identityOf } from '../../registry/identity.ts'
import { clientSecretAnswer } from '../../respond/session.ts'
import type { Revoke } from '../../revoke/revoke.ts'
import { answerText } from '../answer.ts'
import { readJson } from '../body.ts'
import type { AppContext, AppEnv } from '../context.ts'
import { overLimit, setRateLimitHeaders } from '../rate-limits.ts'
import { jsonAnswer, type RouteDefinitions, UPSTREAM } from '../route-definition.ts'
import { callOptions } from '../upstream-call-options.ts'

/** A client only chooses among what the config and its claims allow. */
export const mintBody = z
  .strictObject({
    workflow: z
      .string()
      .min(1)
      .meta({ maxLength: 64, description: 'Name of a workflow, where the caller may choose.' })
      .optional(),
    input: z
      .record(z.string(), scalar.nullable())
      .meta({
        id: 'ClientInput',
        description: 'Values that the workflow accepts from its clients.',
      })
      .optional(),
    current_client_secret: z
      .string()
      .meta({ maxLength: 16_384, description: 'The secret that the new one replaces.' })
      .optional(),
  })
  .meta({ id: 'MintRequest', description: 'The choices of a client. The body may be left out.' })

const clientSecret = z
  .strictObject({
    client_secret: z
      .string()
      .describe('Give it to ChatKit and to nothing else. Keep it in memory only.'),
  })
  .meta({ id: 'ClientSecret', description: 'The client secret that ChatKit needs.' })

export const SESSION_ROUTES = {
  createSession: {
    method: 'POST',
    path: '/v1/sessions',
    checks: ['user'],
    summary: 'Mint a ChatKit session',
    description:
      "For the caller's own user. The user, the workflow's rules and all limits come from the " +
      'config and the verified token. `current_client_secret` is what ChatKit passes to ' +
      '`getClientSecret`: that session ends when the new one is minted.',
    tag: 'sessions',
    requestBody: { schema: mintBody, example: { workflow: 'helpdesk' } },
    answers: [
      jsonAnswer('The client secret of a new session.', clientSecret, {
        client_secret: 'ek_68e5…',
      }),
    ],
    problems: ['workflow_not_allowed', 'user_blocked', 'session_limit', ...UPSTREAM],
  },
  signOut: {
    method: 'DELETE',
    path: '/v1/sessions',
    checks: ['user'],
    summary: 'Sign out',
    description: "Ends all of the caller's own live sessions; also for a blocked user.",
    tag: 'sessions',
    answers: [
      { status: 204, description: 'The sessions have ended, and a mint under way is refused.' },
    ],
  },
} satisfies RouteDefinitions

/** Counts the mint, reads the body, maps, mints, responds. */
export function createSession({
  settings,
  mint,
  now,
}: {
  readonly settings: Settings
  readonly mint: Mint
  readonly now: Clock
}): Handler<AppEnv> {
  const { workflows, limits } = settings
  const limit = { ...limits.mintsPerUser, name: 'mints' }
  const issuers = new Map(settings.issuers.map((issuer) => [issuer.issuer, issuer]))

  function issue(c: AppContext, begun: BegunMint, asked: AskedIssue) {
    const { session, currentSecret, withinMs } = asked
    const { workflow } = session
    const principal = c.get('principal')
    c.get('facts').workflow = workflow.name
    const seconds = sessionSeconds({
      configured: workflow.expiresAfterSeconds,
      sessionsEndWithToken: issuers.get(principal.issuer)?.sessionsEndWithToken ?? true,
      tokenExpiresAt: principal.expiresAt,
      now,
    })
    const params = createParams(session, seconds)
    return mint.issue(begun, { workflow, params, currentSecret }, callOptions(c, withinMs))
  }

  return async (c) => {
    const [principal, user] = [c.get('principal'), c.get('user')]
    const identity = identityOf(principal)
    const begun = await mint.begin({ user, identity, tokenIssuedAt: principal.issuedAt })
    setRateLimitHeaders(c, limit, begun.rate)
    // Before the block is judged (contract, section 4): a blocked client that mints in a loop gets this too.
    if (begun.rate.used > limit.max) throw overLimit(begun.rate, limit)
    const { workflow, input, current_client_secret: current } = await readJson(c, mintBody)
    const currentSecret = current ? new Secret(current) : undefined
    const request = { principal, user, asked: { workflow, input } }
    const session = mapSession(workflows, request)
    const started = performance.now()
    let minted: IssuedSession
    try {
      minted = await issue(c, begun, { session, currentSecret })
    } catch (error) {
      const gone = isCode(error, 'workflow_unavailable')
      const fallback = gone ? mapFallback(workflows, session, request) : undefined
      if (fallback === undefined) throw error
      // The client waits for both calls, so the second one gets only the time that the first one left.
      const withinMs = Math.max(0, CALL_DEADLINE_MS - (performance.now() - started))
      minted = await issue(c, begun, { session: fallback, currentSecret, withinMs })
    }
    c.get('facts').session = minted.id
    return answerText(c, clientSecretAnswer(minted.client_secret))
  }
}

interface AskedIssue {
  readonly session: NewSession
  readonly currentSecret: Secret | undefined
  readonly withinMs?: number
}

/**
 * Writes an audit entry for each mint whose caller is known: its outcome, and the code of a refusal. A
 * malformed request, or one of an unknown caller, is in the access log alone.
 */
export function auditMints(audit: Audit) {
  return (c: AppContext): void => {
    if (c.req.method !== 'POST') return
    const outcome = outcomeOf(c.res.status)
    const actor = actorOfMint(c)
    if (outcome === undefined || actor === undefined) return
    const [user, requestId, facts] = [c.get('user'), c.get('requestId'), c.get('facts')]
    const reason = c.error instanceof ServiceError ? c.error.code : facts.workflow
    const byUser = c.get('apiKey') === undefined
    audit.note({ actor, action: 'mint', user, byUser, outcome, reason, requestId })
  }
}

/** The end user or the backend that asked for the session; undefined when the caller is not known. */
function actorOfMint(c: AppContext): string | undefined {
  const [principal, apiKey] = [c.get('principal'), c.get('apiKey')]
  if (principal !== undefined) return actorOf(principal)
  return apiKey && actorOfKey(apiKey)
}

function outcomeOf(status: number): 'ok' | 'refused' | 'failed' | undefined {
  if (status < 400) return 'ok'
  if (status >= 500) return 'failed'
  return status === 401 || status === 403 || status === 429 ? 'refused' : undefined
}

export function signOut({
  revoke,
  audit,
}: {
  readonly revoke: Revoke
  readonly audit: Audit
}): Handler<AppEnv> {
  return async (c) => {
    const { principal, user, requestId } = c.var
    const actor = actorOf(principal)
    const note = (outcome: 'ok' | 'failed') =>
      audit.note({ actor, action: 'sign_out', user, byUser: true, outcome, requestId })
    try {
      await revoke.signOut(user, actor)
    } catch (error) {
      // It may have been done all the same: the store's answer can be lost.
      note('failed')
      throw error
    }
    note('ok')
    return c.body(null, 204)
  }
}
