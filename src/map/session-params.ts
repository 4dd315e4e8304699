// Turns a mapped session into parameters of the ChatKit API, and decides how long the session may live.

import { type CreateSessionParams, DEFAULT_LIFE_SECONDS } from '../chatkit/wire/session.ts'
import type { WorkflowSettings } from '../config/settings.ts'
import type { Clock } from '../lib/clock.ts'
import { ServiceError } from '../lib/errors.ts'
import type { NewSession } from './map.ts'

/** The limits on the life of a session. */
export interface Lifetime {
  /** The workflow's `expires_after.seconds`. */
  readonly configured: number | undefined
  /** The issuer's `sessions_end_with_token`. */
  readonly sessionsEndWithToken: boolean
  /** The token's `exp`, Unix seconds. */
  readonly tokenExpiresAt: number
  readonly now: Clock
}

/**
 * Decides how long the session to mint lives.
 *
 * @returns whole seconds, at least 1; undefined leaves it to the API's default
 * @throws ServiceError `token_expired` when the session must end with its token and less than a second
 * of that is left, which the clock tolerance makes possible
 */
export function sessionSeconds(lifetime: Lifetime): number | undefined {
  const { configured, sessionsEndWithToken, tokenExpiresAt, now } = lifetime
  if (!sessionsEndWithToken) return configured
  const left = Math.floor(tokenExpiresAt - now() / 1000)
  if (left < 1) {
    throw new ServiceError('token_expired', {
      reason: 'the session must end with its token, which has less than a second left',
    })
  }
  return Math.min(configured ?? DEFAULT_LIFE_SECONDS, left)
}

/**
 * The parameters of the session to create: only fields that config or claims have set, and tracing always.
 *
 * @param seconds - life of the session; undefined leaves it to the API's default
 */
export function createParams(
  { workflow, stateVariables, user }: Omit<NewSession, 'user'> & { readonly user: string },
  seconds: number | undefined,
): CreateSessionParams {
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
  const state = stateVariables && { state_variables: stateVariables }
  if (workflow.kind === 'self-hosted') {
    return { id: workflow.name, ...state, tracing: { enabled: false } }
  }
  const { id, version, tracing } = workflow
  return {
    id,
    ...(version !== undefined && { version }),
    ...state,
    tracing: { enabled: tracing.enabled },
  }
}
