import type { CLIENT_SECRET_TYPE } from '../chatkit/signing/client-secret.ts'
import { audienceOf } from '../chatkit/signing/client-secret.ts'
import type { SigningKeys } from '../chatkit/signing/signing-keys.ts'
import type { AppContext } from '../http/context.ts'
import { countAuthorization } from '../http/raw-headers.ts'
import { ServiceError } from '../lib/errors.ts'
import type { SessionRecord } from '../registry/records.ts'
import type { GatewayDeps, GatewayWorkflow } from './gateway-options.ts'

/** Header `typ` of a link that takes the bytes of one attachment. */
export const UPLOAD_LINK_TYPE = 'chatkit-upload+jwt'

/** Longer than any of ours; nothing longer is looked at. */
const MAX_CHARACTERS = 8192
const BEARER = /^Bearer(?: +(.*))?$/i

/** What a verified token of ours says. */
export type Claims = Awaited<ReturnType<SigningKeys['verify']>>

/** Which token of ours a request has to bring. */
export interface TokenUse {
  /** Name of the workflow. */
  readonly name: string
  readonly workflow: GatewayWorkflow
  readonly type: typeof CLIENT_SECRET_TYPE | typeof UPLOAD_LINK_TYPE
}

/**
 * The client secret of a request, in `Authorization: Bearer`. Cookies count for nothing here.
 *
 * @param c - the request
 * @throws `missing_token`; `invalid_request` when there are several
 */
export function readSecret(c: AppContext): string {
  const authorization = c.req.header('Authorization')
  if (countAuthorization(c) > 1) {
    throw new ServiceError('invalid_request', { reason: 'several Authorization headers' })
  }
  const token = BEARER.exec(authorization ?? '')?.[1]
  if (token) return token
  throw new ServiceError('missing_token', {
    reason: 'no client secret in Authorization',
    detail: 'Send the client secret as "Authorization: Bearer <client secret>".',
  })
}

/**
 * Verifies a client secret, and that its session is on the books and active, and counts the request.
 *
 * @param token - as the client sent it
 * @param use - for what
 * @param deps - keys and store
 * @returns the claims and the session
 * @throws `invalid_token` whatever is wrong with it; `rate_limited`; `store_unavailable`
 */
export async function admit(
  token: string,
  { name, workflow, type }: TokenUse,
  deps: GatewayDeps,
): Promise<{ readonly claims: Claims; readonly session: SessionRecord }> {
  const claims = await verified(token, { name, workflow, type }, deps)
  const { sub, sid } = claims
  if (typeof sub !== 'string' || typeof sid !== 'string') throw refused('claims that are none')
  const { maxPerMinute } = workflow
  const use = { id: sid, user: sub, maxPerMinute, nowMs: deps.now() }
  const outcome = await deps.registry.useSession(use)
  if (outcome.kind === 'ended') throw refused('the session has ended')
  if (outcome.kind === 'limited') {
    throw new ServiceError('rate_limited', {
      reason: `more than ${maxPerMinute} requests of a session in a minute`,
      retryAfterSeconds: outcome.resetMs / 1000,
    })
  }
  const { session } = outcome
  if (session.workflow !== name || session.user !== sub) throw refused('a session of another')
  return { claims, session }
}

async function verified(
  token: string,
  { name, type }: TokenUse,
  { keys, issuer, now }: GatewayDeps,
): Promise<Claims> {
  if (token.length > MAX_CHARACTERS) throw refused('too long')
  const expected = { issuer, audience: audienceOf(name), type, nowMs: now() }
  try {
    return await keys.verify(token, expected)
  } catch (error) {
    throw refused('not one of ours, or expired', error)
  }
}

function refused(reason: string, cause?: unknown): ServiceError {
  return new ServiceError('invalid_token', {
    reason: `client secret: ${reason}`,
    cause,
    detail: 'This client secret is not accepted here. Get a new one.',
  })
}
