import type { Principal } from '../../authenticate/principal.ts'
import type { CreateSessionParams } from '../../chatkit/wire/session.ts'
import type { IssuerSettings, Settings, WorkflowSettings } from '../../config/settings.ts'
import type { Clock } from '../../lib/clock.ts'
import { sessionSeconds } from '../../map/lifetime.ts'
import type { NewSession } from '../../map/map.ts'
import type { MintOrder } from '../../mint/mint.ts'
import { identityOf } from '../../registry/identity.ts'

/** What to mint for a mapped session, all but the secret that the client still holds. */
export type MakeMintOrder = (
  session: NewSession,
  principal: Principal,
) => Omit<MintOrder, 'currentSecret'>

/**
 * Joins step 2 and step 3: from the rules' result to what the upstream is asked for.
 *
 * @param settings - issuers, for what depends on them
 * @param now - the clock
 */
export function createMintOrder(settings: Settings, now: Clock): MakeMintOrder {
  const issuers = new Map(settings.issuers.map((issuer) => [issuer.issuer, issuer]))
  return (session, principal) =>
    mintOrder(session, principal, { issuer: issuers.get(principal.issuer), now })
}

interface OrderContext {
  readonly issuer: IssuerSettings | undefined
  readonly now: Clock
}

function mintOrder(
  session: NewSession,
  principal: Principal,
  { issuer, now }: OrderContext,
): Omit<MintOrder, 'currentSecret'> {
  const seconds = sessionSeconds({
    configured: session.workflow.expiresAfterSeconds,
    sessionsEndWithToken: issuer?.sessionsEndWithToken ?? true,
    tokenExpiresAt: principal.expiresAt,
    now,
  })
  return {
    workflow: session.workflow.name,
    params: createParams(session, seconds),
    identity: identityOf(principal),
    tokenIssuedAt: principal.issuedAt,
    logoutPossible: issuer?.logout !== undefined,
    keepState: session.workflow.kind === 'self-hosted',
  }
}

/**
 * What the API is asked for: only fields that config or claims have set, and tracing always.
 *
 * @param session - user, workflow, state variables
 * @param seconds - how long it is to live; undefined leaves it to the API's default
 */
export function createParams(
  session: NewSession,
  seconds: number | undefined,
): CreateSessionParams {
  const { workflow, stateVariables, user } = session
  const perMinute = workflow.maxRequestsPerMinute
  return {
    user,
    workflow: workflowParams(workflow, stateVariables),
    ...(seconds !== undefined && { expires_after: { anchor: 'created_at', seconds } }),
    ...(perMinute !== undefined && { rate_limits: { max_requests_per_1_minute: perMinute } }),
    ...(workflow.kind === 'hosted' &&
      workflow.chatkitConfiguration && { chatkit_configuration: workflow.chatkitConfiguration }),
  }
}

function workflowParams(
  workflow: WorkflowSettings,
  stateVariables: NewSession['stateVariables'],
): CreateSessionParams['workflow'] {
  if (workflow.kind === 'self-hosted') {
    const state = stateVariables && { state_variables: stateVariables }
    return { id: workflow.name, ...state, tracing: { enabled: false } }
  }
  const { id, version, tracing } = workflow
  return {
    id,
    ...(version !== undefined && { version }),
    ...(stateVariables && { state_variables: stateVariables }),
    tracing: { enabled: tracing.enabled },
  }
}
