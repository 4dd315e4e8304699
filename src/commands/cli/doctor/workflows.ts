// Checks each hosted workflow by minting a session and cancelling it.

import type { Dispatcher } from 'undici'
import { createAdapters } from '../../../chatkit/adapters.ts'
import { type ChatKit, UnusableSessionError } from '../../../chatkit/port.ts'
import type { HostedWorkflow, WorkflowSettings } from '../../../config/settings.ts'
import type { Setup } from '../../../config/setup.ts'
import type { Clock } from '../../../lib/clock.ts'
import type { SessionId, UserId } from '../../../lib/ids.ts'
import { reasonOf } from '../../../lib/show.ts'
import { createParams } from '../../../map/session-params.ts'
import { adviceOnApi, type CallContext } from './advice.ts'
import { type Finding, ok, wrong } from './finding.ts'

/** Life of a session that cannot be cancelled, in seconds. */
const SECONDS = 10

/** The setup, the workflows to check, and the user to mint for. */
export interface WorkflowChecks extends Setup {
  readonly workflows: readonly WorkflowSettings[]
  /** The ChatKit user to mint for. */
  readonly user: UserId
  readonly dispatcher: Dispatcher
  readonly now: Clock
  readonly signal: AbortSignal
}

/**
 * Mints and cancels a session for each hosted workflow, with all its settings of the config. The client secrets
 * are dropped.
 *
 * @param checks - the workflows, and the user to mint for
 */
export function checkHosted(checks: WorkflowChecks): Promise<Finding[]> {
  const hosted = checks.workflows.filter((workflow) => workflow.kind === 'hosted')
  const { environment, dispatcher } = checks
  const { chatkitOf } = createAdapters({
    workflows: hosted,
    selfHosted: new Map(),
    secret: environment.secret,
    openaiBaseUrl: environment.openaiBaseUrl,
    organization: environment.openaiOrgId,
    project: environment.openaiProjectId,
    dispatcherFor: () => dispatcher,
  })
  return Promise.all(hosted.map((workflow) => checkOne(chatkitOf(workflow.name), workflow, checks)))
}

async function checkOne(
  chatkit: ChatKit,
  workflow: HostedWorkflow,
  checks: WorkflowChecks,
): Promise<Finding> {
  const check = `workflow ${workflow.name}`
  const context = contextOf(workflow, checks)
  // The error, if it fails. Without the signal, so that a minted session is cancelled even after Ctrl-C.
  const cancel = (id: SessionId) =>
    chatkit.cancelSession(id).then(
      () => undefined,
      (error: unknown) => error,
    )
  let status: number | undefined
  const call = {
    signal: checks.signal,
    observe: (seen: { status: number | undefined }) => {
      status = seen.status
    },
  }
  const params = createParams({ user: checks.user, workflow, stateVariables: undefined }, SECONDS)
  try {
    const { id } = await chatkit.createSession(params, call)
    const left = await cancel(id)
    if (left !== undefined) return leftOver(check, id, left)
    return ok(check, `minted and cancelled a session of ${describeCall(context)}`)
  } catch (error) {
    checks.signal.throwIfAborted()
    const id = error instanceof UnusableSessionError ? error.sessionId : undefined
    const message = `no session of ${describeCall(context)}: ${reasonOf(error)}`
    const advice = adviceOnApi(error, { ...context, status })
    if (id === undefined || (await cancel(id)) === undefined) {
      return wrong(check, message, advice)
    }
    const left = `${message}; the session ${id} was made all the same and could not be cancelled`
    return { ...wrong(check, left, advice), session_left: id }
  }
}

function leftOver(check: string, id: string, error: unknown): Finding {
  const message = `minted the session ${id}, which could not be cancelled: ${reasonOf(error)}`
  const advice = `it ends by itself ${SECONDS} seconds after it was minted; revoking users will not work until the API takes cancels again`
  return { ...wrong(check, message, advice), session_left: id }
}

function contextOf(
  { name, apiKeyEnv, id, baseUrl }: HostedWorkflow,
  { environment, now }: WorkflowChecks,
) {
  return {
    keyName: apiKeyEnv,
    keyHint: environment.secret(apiKeyEnv)?.().hint() ?? 'that is not set',
    workflowId: id,
    project: environment.openaiProjectId,
    organization: environment.openaiOrgId,
    baseUrl: baseUrl ?? environment.openaiBaseUrl,
    setting: baseUrl === undefined ? 'OPENAI_BASE_URL' : `workflows.${name}.base_url`,
    proxyFor: environment.proxies.proxyFor,
    status: undefined,
    nowMs: now(),
  }
}

/** Key, project and address of the call, so that the operator sees which of several settings was used. */
function describeCall(
  context: CallContext & { readonly organization: string | undefined },
): string {
  const { workflowId, keyName, keyHint, project, organization, baseUrl } = context
  const of = `project ${project ?? 'of the key'}, organization ${organization ?? 'of the key'}`
  return `${workflowId} with ${keyName} (${keyHint}), ${of}, at ${baseUrl}`
}
