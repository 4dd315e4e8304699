import type { Handler } from 'hono'
import { z } from 'zod'
import type { Principal } from '../authenticate/principal.ts'
import type { CallOptions } from '../chatkit/port.ts'
import type { CreateSessionParams } from '../chatkit/wire-session.ts'
import type { IssuerSettings, Settings, WorkflowSettings } from '../config/settings.ts'
import type { Clock } from '../lib/clock.ts'
import { ServiceError } from '../lib/errors.ts'
import { Secret } from '../lib/secret.ts'
import { sessionSeconds } from '../map/lifetime.ts'
import { mapSession, type NewSession } from '../map/map.ts'
import type { Mint, MintOrder } from '../mint/mint.ts'
import { signInOf } from '../mint/sign-in.ts'
import { presentClientSecret } from '../respond/session.ts'
import type { AppContext, AppEnv } from './app-env.ts'
import { jsonBody, validBody } from './json-body.ts'

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
  const issuers = new Map(options.settings.issuers.map((issuer) => [issuer.issuer, issuer]))
  const mintSession = async (c: AppContext) => {
    const { workflow, input, current_client_secret: current } = validBody(c, mintBody)
    const { principal, user } = c.var
    const asked = { workflow, input }
    const session = mapSession(options.settings.workflows, { principal, user, asked })
    c.var.trace.workflow = session.workflow.name
    const order = mintOrder(session, principal, { issuers, now: options.now })
    const currentSecret = current ? new Secret(current) : undefined
    const minted = await options.mint({ ...order, currentSecret }, callOptions(c))
    c.var.trace.session = minted.sessionId
    return c.json(presentClientSecret(minted.clientSecret))
  }
  return [jsonBody(mintBody), mintSession]
}

interface OrderContext {
  readonly issuers: ReadonlyMap<string, IssuerSettings>
  readonly now: Clock
}

function mintOrder(
  session: NewSession,
  principal: Principal,
  { issuers, now }: OrderContext,
): Omit<MintOrder, 'currentSecret'> {
  const issuer = issuers.get(principal.issuer)
  const seconds = sessionSeconds({
    configured: session.workflow.expiresAfterSeconds,
    sessionsEndWithToken: issuer?.sessionsEndWithToken ?? true,
    tokenExpiresAt: principal.expiresAt,
    now,
  })
  const { subject, sid, issuedAt } = principal
  return {
    workflow: session.workflow.name,
    params: createParams(session, seconds),
    identity: { issuer: principal.issuer, subject, sid: signInOf(subject, sid) },
    tokenIssuedAt: issuedAt,
    logoutPossible: issuer?.logout !== undefined,
  }
}

/** What the API is asked for: only fields that config or claims have set, and tracing always. */
function createParams(session: NewSession, seconds: number | undefined): CreateSessionParams {
  const { workflow, stateVariables, user } = session
  const perMinute = workflow.maxRequestsPerMinute
  return {
    user,
    workflow: workflowParams(workflow, stateVariables),
    ...(seconds !== undefined && { expires_after: { anchor: 'created_at', seconds } }),
    ...(perMinute !== undefined && { rate_limits: { max_requests_per_1_minute: perMinute } }),
    ...(workflow.chatkitConfiguration && { chatkit_configuration: workflow.chatkitConfiguration }),
  }
}

function workflowParams(
  workflow: WorkflowSettings,
  stateVariables: NewSession['stateVariables'],
): CreateSessionParams['workflow'] {
  const { id, version, tracing } = workflow
  return {
    id,
    ...(version !== undefined && { version }),
    ...(stateVariables && { state_variables: stateVariables }),
    tracing: { enabled: tracing.enabled },
  }
}

/** The upstream call ends when the client leaves, and what it cost stands in the access log. */
function callOptions(c: AppContext): CallOptions {
  const controller = new AbortController()
  const gone = () =>
    controller.abort(new ServiceError('request_timeout', { reason: 'the client is gone' }))
  const { signal } = c.req.raw
  if (signal.aborted) gone()
  else signal.addEventListener('abort', gone, { once: true })
  return {
    signal: controller.signal,
    observe: (call) => {
      c.var.trace.upstream = call
    },
  }
}
