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

/**
 * The parameters of a create that the registry keeps in one field. The user and a self-hosted session's state
 * have their own fields.
 */
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
  const session = completed({ ...issued, ...state }, sessionOf(params, state))
  return {
    ...session,
    max_requests_per_1_minute: session.rate_limits.max_requests_per_1_minute,
    workflow: { ...session.workflow, id: askedId },
  }
}

/**
 * A session as the upstream tells it; a member that is missing, or is not as the reference has it, becomes the
 * one that follows from the parameters.
 */
function completed(told: object, known: ChatSession): ChatSession {
  const session = structuredClone(told)
  const { error } = chatSession.safeParse(session)
  for (const { path } of error?.issues ?? []) copyMember(path, known, session)
  const whole = chatSession.safeParse(session)
  return whole.success ? whole.data : known
}

function copyMember([name, ...rest]: readonly PropertyKey[], from: object, to: object): void {
  if (name === undefined) return
  const value: unknown = Reflect.get(from, name)
  if (rest.length === 0) Reflect.set(to, name, value)
  else if (typeof value === 'object' && value !== null)
    copyMember(rest, value, Reflect.get(to, name))
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
