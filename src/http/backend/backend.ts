// Carries out the operations of the ChatKit API for backends: it joins the same mint, revoke and threads that
// end users and admins have.

import { createAdministerSessions } from '../../administer/sessions.ts'
import type { CreateSessionParams } from '../../chatkit/wire/session.ts'
import type { ApiKeySettings, Settings } from '../../config/settings.ts'
import { type Clock, unixSeconds } from '../../lib/clock.ts'
import { isCode, ServiceError } from '../../lib/errors.ts'
import { parseSessionId, parseUserId } from '../../lib/ids.ts'
import { actorOfKey, backendParams, mayUse, workflowOfBackend } from '../../map/map-backend.ts'
import type { Mint } from '../../mint/mint.ts'
import type { Audit } from '../../registry/audit.ts'
import type { Registry } from '../../registry/port.ts'
import type { Revoke } from '../../revoke/revoke.ts'
import type { Threads } from '../../threads/threads.ts'
import { readBytes } from '../body.ts'
import type { AppContext, AppEnv } from '../context.ts'
import { overLimit, setRateLimitHeaders } from '../rate-limits.ts'
import { callOptions } from '../upstream-call-options.ts'
import { ApiError } from './api-error.ts'
import type { Operations } from './operations.ts'
import { MAX_BODY_BYTES, refusal } from './parameters.ts'
import { endedSession, keptOf, newSession } from './session-object.ts'
import { createThreadCalls } from './thread-calls.ts'

/** Milliseconds for the body of a create to arrive. */
const BODY_MS = 10_000
/** Seconds after which a backend asks again whether a cancel is confirmed. */
const RETRY_CANCEL_SECONDS = 2

/** @param parts - `threadsFor`: the threads of all workflows that a key may use */
export function createBackend({
  settings,
  registry,
  mint,
  revoke,
  threadsFor,
  audit,
  hashUser,
  now,
}: {
  readonly settings: Pick<Settings, 'workflows' | 'apiKeys'> & {
    readonly limits: Pick<Settings['limits'], 'mintsPerUser'>
  }
  readonly registry: Pick<Registry, 'getSession' | 'listSessions'>
  readonly mint: Mint
  readonly revoke: Pick<Revoke, 'cancelSession'>
  readonly threadsFor: (key: ApiKeySettings) => Threads
  readonly audit: Pick<Audit, 'write'>
  readonly hashUser: (user: string) => string | undefined
  readonly now: Clock
}): Operations<AppEnv> {
  const { workflows, apiKeys } = settings
  const limit = { ...settings.limits.mintsPerUser, name: 'mints' }
  const sessions = createAdministerSessions({ registry, revoke, audit })
  const threads = createThreadCalls({ apiKeys, threadsFor, audit })

  async function createSession(c: AppContext, params: CreateSessionParams) {
    const { apiKey, facts } = c.var
    const user = parseUserId(params.user)
    if (user === undefined)
      throw refusal("Invalid 'user': no user can have this id.", 'user', 'invalid_value')
    const { id: askedId } = params.workflow
    const workflow = workflowOfBackend(workflows, apiKey, askedId)
    if (workflow === undefined) throw noWorkflow(askedId)
    facts.user = hashUser(user)
    facts.workflow = workflow.name
    c.set('user', user)
    const identity = { issuer: actorOfKey(apiKey), subject: user, sid: undefined }
    const begun = await mint.begin({ user, identity, tokenIssuedAt: undefined })
    setRateLimitHeaders(c, limit, begun.rate)
    if (begun.rate.used > limit.max) throw overLimit(begun.rate, limit)
    const sent = backendParams(workflow, params)
    const asked = keptOf(workflow, sent, askedId)
    const toMint = { workflow, params: sent, currentSecret: undefined, asked }
    const issued = await mint.issue(begun, toMint, callOptions(c)).catch((error) => {
      throw isCode(error, 'workflow_unavailable') ? goneWorkflow(askedId, error) : error
    })
    facts.session = issued.id
    return newSession(sent, askedId, issued)
  }

  async function cancelSession(c: AppContext, text: string) {
    const { apiKey, requestId, facts } = c.var
    const id = parseSessionId(text)
    if (id === undefined)
      throw refusal("Invalid 'session_id': not an id.", 'session_id', 'invalid_value')
    const found = await registry.getSession(id)
    const workflow = workflows.find(({ name }) => name === found?.workflow)
    if (workflow === undefined || !mayUse(apiKey, workflow.name)) {
      throw new ApiError(404, `No session found with id '${id}'.`)
    }
    facts.session = id
    const session = await sessions.cancelSession({ actor: actorOfKey(apiKey), requestId }, id)
    const seconds = unixSeconds(now)
    if (session.status === 'cancelling' && session.expiresAt > seconds) {
      throw new ServiceError('upstream_unavailable', {
        reason: 'the cancel is not confirmed',
        detail:
          'OpenAI has not confirmed the cancel, which goes on. Call again to see how it ended.',
        retryAfterSeconds: RETRY_CANCEL_SECONDS,
      })
    }
    return endedSession(session, workflow, seconds)
  }

  return {
    readBody: (c) => readBytes(c, { maxBytes: MAX_BODY_BYTES, milliseconds: BODY_MS }, () => {}),
    createSession,
    cancelSession,
    ...threads,
  }
}

function noWorkflow(id: string): ApiError {
  return new ApiError(404, `Workflow with id '${id}' not found.`)
}

/** The backend gets the API's own words. Log and metrics keep the code, so that the operator sees it. */
function goneWorkflow(id: string, { reason }: ServiceError): ServiceError {
  const detail = noWorkflow(id).reason
  return new ServiceError('workflow_unavailable', { reason, detail, status: 404 })
}
