// Makes the session object that a backend gets: complete, whatever the upstream left out, and with the workflow's
// id as it was asked for.

import {
  type ChatSession,
  type CreateSessionParams,
  chatSession,
  createSessionParams,
  type IssuedSession,
  sessionOf,
} from '../../chatkit/wire/session.ts'
import type { WorkflowSettings } from '../../config/settings.ts'
import { createParams } from '../../map/session-params.ts'
import type { SessionRecord } from '../../registry/records.ts'

/** Parts of the answer to a create that the upstream may know better than the parameters. */
const toldSession = chatSession.pick({
  max_requests_per_1_minute: true,
  rate_limits: true,
  workflow: true,
  chatkit_configuration: true,
})

/** What the registry keeps of a create. The user and a self-hosted session's state have fields of their own. */
const keptParams = createSessionParams.omit({ user: true })

/**
 * @param params - as they were sent upstream
 * @param askedId - the workflow's id as the backend spelled it
 */
export function newSession(
  params: CreateSessionParams,
  askedId: string,
  issued: IssuedSession,
): ChatSession {
  const { id, status, expires_at } = issued
  const state = { id, status, expires_at, client_secret: issued.client_secret.reveal() }
  const known = sessionOf(params, state)
  const told = toldSession.safeParse(issued)
  const whole = told.success ? { ...known, ...told.data } : known
  return { ...whole, ...state, workflow: { ...whole.workflow, id: askedId } }
}

/** @returns JSON for the registry */
export function keptOf(
  { kind }: Pick<WorkflowSettings, 'kind'>,
  { user: _, ...params }: CreateSessionParams,
  askedId: string,
): string {
  const { state_variables, ...rest } = params.workflow
  const state = kind === 'hosted' && state_variables ? { state_variables } : {}
  return JSON.stringify({ ...params, workflow: { ...rest, ...state, id: askedId } })
}

/**
 * A session that the registry knows. Its client secret is empty: only its hash is kept.
 *
 * @param now - Unix seconds
 */
export function endedSession(
  session: SessionRecord,
  workflow: WorkflowSettings,
  now: number,
): ChatSession {
  const { id, user, expiresAt, state = {} } = session
  const stateVariables = Object.keys(state).length > 0 ? state : undefined
  const params =
    session.asked === undefined
      ? createParams({ user, workflow, stateVariables }, workflow.expiresAfterSeconds)
      : { user, ...keptParams.parse(JSON.parse(session.asked)) }
  const states = stateVariables && { state_variables: stateVariables }
  return sessionOf(
    { ...params, workflow: { ...params.workflow, ...states } },
    { id, status: statusOf(session, now), client_secret: '', expires_at: expiresAt },
  )
}

function statusOf({ status, expiresAt }: SessionRecord, now: number): ChatSession['status'] {
  if (status !== 'active') return 'cancelled'
  return expiresAt > now ? 'active' : 'expired'
}
