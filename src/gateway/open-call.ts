// Opens a call: finds the workflow, verifies the client secret, and checks that the session is live and below
// its limits. A message is counted later, because only its body, which is not read here, tells whether it runs
// the model.

import { hash } from 'node:crypto'
import type { JWTPayload } from 'jose'
import * as errors from 'jose/errors'
import {
  audienceOf,
  CLIENT_SECRET_TYPE,
  PER_MINUTE_CLAIM,
} from '../chatkit/signing/client-secret.ts'
import type { ExpectedToken, SigningKeys } from '../chatkit/signing/signing-keys.ts'
import { DEFAULT_REQUESTS_PER_MINUTE } from '../chatkit/wire/session.ts'
import type { SelfHostedWorkflow } from '../config/settings.ts'
import type { AppContext } from '../http/context.ts'
import type { FailedAuth } from '../http/failed-auth.ts'
import { createUserLimit } from '../http/rate-limits.ts'
import { countHeader } from '../http/server/unusable-requests.ts'
import { type Clock, unixSeconds } from '../lib/clock.ts'
import { ServiceError } from '../lib/errors.ts'
import { BEARER, JSON_TYPE } from '../lib/header-patterns.ts'
import { parseSessionId, parseUserId, type WorkflowName } from '../lib/ids.ts'
import { show, showAll } from '../lib/show.ts'
import type { Registry } from '../registry/port.ts'
import type { SessionRecord, SessionUse } from '../registry/records.ts'

/** Most client secrets whose claims are kept, about 1 kB each. */
const MOST_VERIFIED = 5000

/**
 * New attachments of a user in a day. The store keeps the record of each one until it is deleted, so that an erase
 * can delete it at the server, and one user could make a million a day.
 */
const ATTACHMENT_LIMIT = {
  name: 'attachments',
  max: 1000,
  seconds: 86_400,
  detail: 'Too many new attachments in a day. Wait for the seconds in Retry-After.',
} as const

/** A request whose caller is known: its session, and the session's workflow. */
export interface Call {
  readonly workflow: SelfHostedWorkflow
  readonly session: SessionRecord
  /** The user's generation when the call was opened, see `UserStanding`. */
  readonly generation: number
}

/** A call made with a client secret. A form has been counted; a message has not, see `count`. */
export interface OpenedCall extends Call {
  /** The body is JSON, in no content coding. */
  readonly isMessage: boolean
  /**
   * Counts a message, once its type is known.
   *
   * @throws `rate_limited`; `invalid_token` if the session has ended meanwhile
   */
  readonly count: (as: 'run' | 'read') => Promise<unknown>
  /**
   * Counts a new attachment, before the server makes one.
   *
   * @throws `rate_limited`
   */
  readonly countAttachment: () => Promise<void>
}

export type VerifyToken = ReturnType<typeof createVerifyToken>

/** @param parts - `workflows`: the self-hosted workflows, by name; `keys`: verify our tokens */
export function createVerifyToken({
  workflows,
  publicUrl,
  keys,
  hashUser,
  failedAuth,
  now,
}: {
  readonly workflows: ReadonlyMap<string, SelfHostedWorkflow>
  readonly publicUrl: string
  readonly keys: Pick<SigningKeys, 'verify' | 'verifyForSelf'>
  readonly hashUser: (user: string) => string | undefined
  readonly failedAuth: Pick<FailedAuth, 'counted'>
  readonly now: Clock
}) {
  /** Bearers of verified client secrets, by the SHA-256 of the secret, so that a memory dump shows no secret. */
  let verified = new Map<string, Awaited<ReturnType<typeof bearerOf>>>()

  /** All requests of a session send the same secret: its signature is checked once, its expiry each time. */
  async function bearerOfSecret(c: AppContext, token: string, workflow: WorkflowName) {
    const name = hash('sha256', `${workflow} ${token}`, 'base64url')
    const known = verified.get(name)
    if (known?.claims.exp !== undefined && known.claims.exp > unixSeconds(now)) return known
    const bearer = await bearerOf(c, token, { workflow, type: CLIENT_SECRET_TYPE })
    if (verified.size >= MOST_VERIFIED) verified = new Map()
    verified.set(name, bearer)
    return bearer
  }

  async function bearerOf(
    c: AppContext,
    token: string,
    { workflow, type }: { readonly workflow: WorkflowName; readonly type: string },
  ) {
    const expected = { issuer: publicUrl, audience: audienceOf(workflow), type, nowMs: now() }
    let claims: JWTPayload
    try {
      const isSecret = type === CLIENT_SECRET_TYPE
      claims = await (isSecret ? keys.verify(token, expected) : keys.verifyForSelf(token, expected))
    } catch (error) {
      // Not counted as a failed attempt, because its signature was valid and every page left open sends one.
      if (error instanceof errors.JWTExpired) throw invalidToken('expired', error)
      throw await failedAuth.counted(c, invalidToken(whyNotTaken(error, expected), error))
    }
    const { sub, sid } = claims
    const user = parseUserId(sub)
    const id = typeof sid === 'string' ? parseSessionId(sid) : undefined
    if (user === undefined || id === undefined) throw invalidToken('no user or session')
    return { user, id, claims, hash: hashUser(user) }
  }

  /**
   * Verifies one of our own tokens, made for the workflow in the request's path.
   *
   * @param type - the token's header `typ`: client secret or kind of link
   * @throws `not_found` when there is no such self-hosted workflow; `missing_token`; `invalid_token` for any
   * fault of the token; `rate_limited` after too many failures of one address
   */
  return async function verifyToken(c: AppContext, token: string | undefined, type: string) {
    const name = c.req.param('workflow') ?? ''
    const workflow = workflows.get(name)
    if (workflow === undefined) {
      // The answer for a hosted workflow is the same as for an unknown name.
      throw new ServiceError('not_found', {
        reason: `no self-hosted workflow ${show(name)}, expected ${showAll([...workflows.keys()])}`,
      })
    }
    if (!token) {
      throw new ServiceError('missing_token', {
        reason: 'no client secret and no link',
        detail: 'Send the client secret as "Authorization: Bearer <client secret>".',
      })
    }
    const bearer = await (type === CLIENT_SECRET_TYPE
      ? bearerOfSecret(c, token, workflow.name)
      : bearerOf(c, token, { workflow: workflow.name, type }))
    // The hash of users may get its key later.
    bearer.hash ??= hashUser(bearer.user)
    c.set('user', bearer.user)
    const { facts } = c.var
    facts.user = bearer.hash
    facts.workflow = workflow.name
    facts.session = bearer.id
    return { ...bearer, workflow }
  }
}

/** @param parts - `verify`: verifies client secrets */
export function createOpenCall({
  verify,
  registry,
  now,
}: {
  readonly verify: VerifyToken
  readonly registry: Pick<Registry, 'useSession' | 'consume'>
  readonly now: Clock
}) {
  const limitAttachments = createUserLimit({ registry, limit: ATTACHMENT_LIMIT, now })

  /**
   * @throws `not_found` when there is no such self-hosted workflow; `missing_token`; `invalid_token`;
   * `rate_limited`; `store_unavailable`
   */
  return async function openCall(c: AppContext): Promise<OpenedCall> {
    if (countHeader(c.env.incoming, 'authorization') > 1) {
      throw new ServiceError('invalid_request', { reason: 'several Authorization headers' })
    }
    // Cookies are ignored.
    const authorization = c.req.header('Authorization') ?? ''
    const secret = BEARER.test(authorization) ? authorization.replace(BEARER, '') : undefined
    const { workflow, user, id, claims } = await verify(c, secret, CLIENT_SECRET_TYPE)
    const { maxRequestsPerMinute: usual = DEFAULT_REQUESTS_PER_MINUTE } = workflow
    const perMinute = claims[PER_MINUTE_CLAIM]
    const maxPerMinute = typeof perMinute === 'number' ? perMinute : usual
    const count = async (counts: SessionUse['counts']) => {
      const use = { id, user, maxPerMinute, counts, nowMs: now() }
      const outcome = await registry.useSession(use)
      if (outcome.kind === 'ended') {
        throw invalidToken('the session has ended, or the store has lost it')
      }
      if (outcome.kind === 'ok') return outcome
      throw new ServiceError('rate_limited', {
        reason: `more requests of a session in a minute than ${maxPerMinute} allows (${counts})`,
        retryAfterSeconds: outcome.resetMs / 1000,
      })
    }
    // A form never runs the model and is counted here, as is a body that will not be read. The body of a message tells
    // whether it does; it is counted later.
    const coding = c.req.header('Content-Encoding') ?? 'identity'
    const isJson = JSON_TYPE.test(c.req.header('Content-Type') ?? '')
    const isMessage = isJson && coding.toLowerCase() === 'identity'
    const { session, generation } = await count(isMessage ? 'nothing' : 'read')
    // Only the text that was given out for the session counts: not the same token with another form of its signature, nor
    // one that was made with a stolen key for a session of the stolen store, of whatever user or workflow.
    if (session.secretHash !== hash('sha256', secret ?? '')) throw invalidToken('never given out')
    const countAttachment = () => limitAttachments(c)
    return { workflow, session, generation, isMessage, count, countAttachment }
  }
}

/** For the log. Claims are shown only where the signature is ours, because jose verifies it first. */
function whyNotTaken(error: unknown, { audience, issuer }: ExpectedToken): string {
  if (error instanceof errors.JWKSNoMatchingKey) {
    return 'not signed by a key of this instance: send the client secret that POST /v1/sessions gave, not the token of the user; all instances need the same SIGNING_KEY_FILE'
  }
  if (!(error instanceof errors.JWTClaimValidationFailed)) return 'not one of ours'
  const { claim, payload } = error
  if (claim === 'aud') {
    return `made for ${show(String(payload.aud))}, expected ${show(audience)}: the path names another workflow`
  }
  if (claim === 'iss') {
    return `its issuer is ${show(String(payload.iss))}, expected PUBLIC_URL ${show(issuer)}`
  }
  return `not one of ours, by its ${claim}`
}

/** @param reason - for the log; the client does not get it */
export function invalidToken(reason: string, cause?: unknown): ServiceError {
  return new ServiceError('invalid_token', {
    reason: `client secret: ${reason}`,
    cause,
    detail: 'This client secret is not accepted here. Get a new one.',
  })
}
