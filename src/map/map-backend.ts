// Turns the parameters that a backend sends with its API key into the session to mint. The user and the state
// variables are the backend's; `when`, `input` and the config's own state variables do not apply.

import type { CreateSessionParams } from '../chatkit/wire/session.ts'
import type { ApiKeySettings, WorkflowSettings } from '../config/settings.ts'
import { KEY_ISSUER } from '../registry/identity.ts'
import { createParams } from './session-params.ts'

/**
 * The workflow that a backend asks for: by its name, by one of its `answers_to`, or by a hosted id that one
 * workflow alone has.
 *
 * @param id - `workflow.id` of the call
 * @returns undefined when there is none, or the key may not use it
 */
export function workflowOfBackend(
  workflows: readonly WorkflowSettings[],
  key: Pick<ApiKeySettings, 'workflows'>,
  id: string,
): WorkflowSettings | undefined {
  const named =
    workflows.find(({ name }) => name === id) ??
    workflows.find(({ answersTo }) => answersTo.includes(id))
  const sameId = workflows.filter((one) => one.kind === 'hosted' && one.id === id)
  const workflow = named ?? (sameId.length === 1 ? sameId[0] : undefined)
  return workflow !== undefined && mayUse(key, workflow.name) ? workflow : undefined
}

/** The actor of a backend in the audit, and the issuer of its sessions. */
export function actorOfKey({ id }: Pick<ApiKeySettings, 'id'>): string {
  return KEY_ISSUER + id
}

/** Whether a key may use a workflow; without a list it may use all. */
export function mayUse({ workflows }: Pick<ApiKeySettings, 'workflows'>, name: string): boolean {
  return workflows === undefined || workflows.includes(name)
}

/**
 * The parameters of the session to create. The call's own count; the config's stand in for those that are absent.
 *
 * @param asked - as the backend sent them
 */
export function backendParams(
  workflow: WorkflowSettings,
  asked: CreateSessionParams,
): CreateSessionParams {
  const { state_variables: stateVariables, version, tracing } = asked.workflow
  const { user } = asked
  const ours = createParams({ user, workflow, stateVariables }, workflow.expiresAfterSeconds)
  const { expires_after = ours.expires_after } = asked
  const rate_limits = merged(ours.rate_limits, asked.rate_limits)
  const chatkit_configuration = features(ours.chatkit_configuration, asked.chatkit_configuration)
  return {
    user,
    workflow: merged(ours.workflow, {
      ...(version !== undefined && { version }),
      ...(tracing?.enabled !== undefined && { tracing: { enabled: tracing.enabled } }),
    }),
    ...(expires_after && { expires_after }),
    ...(rate_limits && { rate_limits }),
    ...(chatkit_configuration && { chatkit_configuration }),
  }
}

type Features = CreateSessionParams['chatkit_configuration']

/** Field by field: who asks for more files does not turn the upload off that the config turns on. */
function features(ours: Features, asked: Features): Features {
  if (ours === undefined || asked === undefined) return asked ?? ours
  const titling = merged(ours.automatic_thread_titling, asked.automatic_thread_titling)
  const file_upload = merged(ours.file_upload, asked.file_upload)
  const history = merged(ours.history, asked.history)
  return {
    ...(titling && { automatic_thread_titling: titling }),
    ...(file_upload && { file_upload }),
    ...(history && { history }),
  }
}

function merged<T extends object>(ours: T, asked: Partial<T> | undefined): T
function merged<T extends object>(ours: T | undefined, asked: T | undefined): T | undefined
function merged<T extends object>(ours: T | undefined, asked: Partial<T> | undefined) {
  return asked === undefined ? ours : { ...ours, ...asked }
}
