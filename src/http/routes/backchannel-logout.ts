// The logout that an identity provider sends (OpenID Connect Back-Channel Logout 1.0 §2.5 to §2.8).

import type { Handler } from 'hono'
import { z } from 'zod'
import type { Authenticator } from '../../authenticate/authenticate.ts'
import type { LogoutCommand } from '../../authenticate/logout-token.ts'
import type { Settings } from '../../config/settings.ts'
import { type Clock, unixSeconds } from '../../lib/clock.ts'
import { isCode, ServiceError } from '../../lib/errors.ts'
import { mapSubject } from '../../map/map-user.ts'
import { type Audit, auditedOnFailure } from '../../registry/audit.ts'
import { actorOf } from '../../registry/identity.ts'
import type { Registry } from '../../registry/port.ts'
import type { Revoke } from '../../revoke/revoke.ts'
import { readFormField } from '../body.ts'
import type { AppContext, AppEnv } from '../context.ts'
import type { FailedAuth } from '../failed-auth.ts'
import type { RouteDefinitions } from '../route-definition.ts'

const logoutRequest = z
  .object({ logout_token: z.string().max(16_384).describe('A signed logout token.') })
  .meta({ id: 'LogoutRequest', description: 'The form that an identity provider sends.' })

export const LOGOUT_ROUTES = {
  backchannelLogout: {
    method: 'POST',
    path: '/v1/backchannel-logout',
    checks: [],
    summary: "Receive an identity provider's logout",
    description:
      'OpenID Connect Back-Channel Logout 1.0, for issuers with `logout` in the config. After a 200, it is ' +
      'durable that the sessions end and that older tokens no longer mint.',
    tag: 'sessions',
    requestBody: {
      schema: logoutRequest,
      example: { logout_token: 'eyJ…' },
      mediaType: 'application/x-www-form-urlencoded',
    },
    answers: [{ status: 200, description: 'Done.' }],
    problems: ['rate_limited', 'idp_unavailable', 'store_unavailable'],
  },
} satisfies RouteDefinitions

/** Seconds for which a `jti` is remembered: twice the life of a logout token, tolerance included. */
const REPLAY_SECONDS = 600

/** Answers 200 only when the logout is durable, so that a provider knows which logouts to repeat. */
export function backchannelLogout({
  issuers,
  verifyLogoutToken,
  revoke,
  registry,
  audit,
  failedAuth,
  now,
}: {
  readonly issuers: Settings['issuers']
  readonly verifyLogoutToken: Authenticator['verifyLogoutToken']
  readonly revoke: Revoke
  readonly registry: Pick<Registry, 'remembers' | 'rememberOnce'>
  readonly audit: Audit
  readonly failedAuth: Pick<FailedAuth, 'counted'>
  readonly now: Clock
}): Handler<AppEnv> {
  async function commandOf(c: AppContext): Promise<LogoutCommand> {
    const token = await readFormField(c, 'logout_token')
    try {
      return await verifyLogoutToken(token)
    } catch (error) {
      // Only a token that could be a guess counts: an old token, or one from a provider whose clock is late, is
      // no attack.
      const guessed = error instanceof ServiceError && isCode(error.cause, 'invalid_token')
      throw guessed ? await failedAuth.counted(c, error) : error
    }
  }

  return async (c) => {
    const command = await commandOf(c)
    const key = `logout:${command.issuer}|${command.jti}`
    if (await registry.remembers(key, unixSeconds(now))) throw replayed()
    const { issuer, subject } = command
    const mapped = subject && mapSubject(issuers, issuer, subject)
    // An entry names its user, so that an erase of the user removes the actor.
    const eventOf = (user: string | undefined) => ({
      ...auditEvent(command, c.var.requestId),
      ...{ user, byUser: user !== undefined },
    })
    const found = await auditedOnFailure(audit, eventOf(mapped), revoke.logOut(command))
    const users = found.size > 0 ? [...found] : [mapped]
    await Promise.all(users.map((user) => audit.write({ ...eventOf(user), outcome: 'ok' })))
    // Remembered last. If it were remembered first and the store then failed, the provider's next try would be
    // refused as a replay. Two equal logouts at once both do the same, and the second is refused.
    const first = await registry.rememberOnce(key, REPLAY_SECONDS, unixSeconds(now))
    if (!first) throw replayed()
    return c.body(null, 200)
  }
}

function auditEvent({ issuer, subject, sid }: LogoutCommand, requestId: string) {
  const reason = sid === undefined ? 'subject' : 'sid'
  const actor = actorOf({ issuer, subject })
  return { actor, action: 'logout', reason, requestId } as const
}

function replayed(): ServiceError {
  return new ServiceError('invalid_request', { reason: 'logout token: jti was seen before' })
}
