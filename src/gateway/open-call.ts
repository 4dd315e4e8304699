// Lets a request into the gateway: finds its workflow, verifies its client secret or upload link, and
// counts it on a session that is live. It does not look at the body.

import { audienceOf, CLIENT_SECRET_TYPE } from '../chatkit/signing/client-secret.ts'
import type { SigningKeys } from '../chatkit/signing/signing-keys.ts'
import { DEFAULT_REQUESTS_PER_MINUTE } from '../chatkit/wire/session.ts'
import type { SelfHostedWorkflow } from '../config/settings.ts'
import type { AppContext } from '../http/context.ts'
import { countAuthorization } from '../http/credentials.ts'
import type { Clock } from '../lib/clock.ts'
import { ServiceError } from '../lib/errors.ts'
import { BEARER } from '../lib/header-patterns.ts'
import { parseSessionId, parseUserId, type WorkflowName } from '../lib/ids.ts'
import type { Registry } from '../registry/port.ts'
import type { SessionRecord } from '../registry/records.ts'

/** Header `typ` of an upload link, which takes the bytes of one attachment. */
export const UPLOAD_LINK_TYPE = 'chatkit-upload+jwt'

/** Longer than any of ours; nothing longer is verified. */
const MAX_CHARACTERS = 8192

/** A request that was let in: its session, and the workflow that the session is for. */
export interface Call {
  readonly workflow: SelfHostedWorkflow
  readonly session: SessionRecord
}

/** The claims of a client secret or upload link that was verified. */
export type Claims = Awaited<ReturnType<SigningKeys['verify']>>

/** @param parts - the workflows by name (hosted ones are not among them), keys, registry */
export function createOpenCall({
  workflows,
  publicUrl,
  keys,
  registry,
  hashUser,
  now,
}: {
  readonly workflows: ReadonlyMap<string, SelfHostedWorkflow>
  readonly publicUrl: string
  readonly keys: Pick<SigningKeys, 'verify'>
  readonly registry: Pick<Registry, 'useSession'>
  readonly hashUser: (user: string) => string | undefined
  readonly now: Clock
}) {
  /** @throws `invalid_token`, whatever is wrong with the token */
  async function verifyClientSecret(token: string, workflow: WorkflowName, type: string) {
    if (token.length > MAX_CHARACTERS) throw invalidToken('too long')
    const expected = { issuer: publicUrl, audience: audienceOf(workflow), type, nowMs: now() }
    try {
      return await keys.verify(token, expected)
    } catch (error) {
      throw invalidToken('not one of ours, or expired', error)
    }
  }

  /**
   * @param c - the request
   * @returns the call; `uploadLink` when the request came by an upload link
   * @throws `not_found` when there is no such workflow here; `missing_token`; `invalid_token`;
   * `rate_limited`; `store_unavailable`
   */
  return async function openCall(
    c: AppContext,
  ): Promise<{ readonly call: Call; readonly uploadLink: Claims | undefined }> {
    const workflow = workflows.get(c.req.param('workflow') ?? '')
    if (workflow === undefined) {
      // Unknown names and hosted workflows look the same.
      throw new ServiceError('not_found', { reason: 'no self-hosted workflow of this name' })
    }
    const { name, maxRequestsPerMinute: maxPerMinute = DEFAULT_REQUESTS_PER_MINUTE } = workflow
    const isLinked = c.req.method === 'PUT' || c.req.query('upload') !== undefined
    const token = isLinked ? readUploadLink(c) : readClientSecret(c)
    const type = isLinked ? UPLOAD_LINK_TYPE : CLIENT_SECRET_TYPE
    const claims = await verifyClientSecret(token, name, type)
    const { sub, sid } = claims
    const user = parseUserId(sub)
    const id = typeof sid === 'string' ? parseSessionId(sid) : undefined
    if (user === undefined || id === undefined) throw invalidToken('no user or session')
    const outcome = await registry.useSession({ id, user, maxPerMinute, nowMs: now() })
    if (outcome.kind === 'ended') throw invalidToken('the session has ended')
    if (outcome.kind === 'limited') {
      throw new ServiceError('rate_limited', {
        reason: `more than ${maxPerMinute} requests of a session in a minute`,
        retryAfterSeconds: outcome.resetMs / 1000,
      })
    }
    const { session } = outcome
    if (session.workflow !== name || session.user !== user) throw invalidToken('another session')
    const { trace } = c.var
    trace.user = hashUser(user)
    trace.workflow = name
    trace.session = id
    return { call: { workflow, session }, uploadLink: isLinked ? claims : undefined }
  }
}

/** Reads `Authorization: Bearer`. Cookies count for nothing here. */
function readClientSecret(c: AppContext): string {
  const authorization = c.req.header('Authorization')
  if (countAuthorization(c) > 1) {
    throw new ServiceError('invalid_request', { reason: 'several Authorization headers' })
  }
  const secret = BEARER.exec(authorization ?? '')?.[1]
  if (secret) return secret
  throw new ServiceError('missing_token', {
    reason: 'no client secret in Authorization',
    detail: 'Send the client secret as "Authorization: Bearer <client secret>".',
  })
}

function readUploadLink(c: AppContext): string {
  const link = c.req.query('upload')
  if (link !== undefined) return link
  throw new ServiceError('missing_token', { reason: 'an upload without its link' })
}

function invalidToken(reason: string, cause?: unknown): ServiceError {
  return new ServiceError('invalid_token', {
    reason: `client secret: ${reason}`,
    cause,
    detail: 'This client secret is not accepted here. Get a new one.',
  })
}
