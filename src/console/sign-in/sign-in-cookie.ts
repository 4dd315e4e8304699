// Keeps an admin's sign-in to the console in an encrypted cookie.

import { createHash } from 'node:crypto'
import { z } from 'zod'
import type { AdminSettings, ConsoleSettings, Settings } from '../../config/settings.ts'
import { userOfAdmin } from '../../http/authentication.ts'
import type { AppContext } from '../../http/context.ts'
import { type Clock, unixSeconds } from '../../lib/clock.ts'
import { newId, parseUserId, type UserId } from '../../lib/ids.ts'
import { mapSubject } from '../../map/map-user.ts'
import { refuseBlocked } from '../../mint/standing.ts'
import { actorOf } from '../../registry/identity.ts'
import type { Registry } from '../../registry/port.ts'
import type { TokenIdentity } from '../../registry/records.ts'
import type { Cookies } from './cookies.ts'

const signInSchema = z.object({
  id: z.string(),
  actor: z.string(),
  user: z.string().optional(),
  name: z.string(),
  csrf: z.string(),
  rule: z.string(),
  exp: z.number(),
  sid: z.string().optional(),
  issuedAt: z.number(),
})

/** The sign-in of an admin. */
export interface SignIn {
  readonly id: string
  /** `issuer|subject`, as in the audit. */
  readonly actor: string
  /** Their ChatKit user. */
  readonly user: UserId
  /** For display. */
  readonly name: string
  /** Stands in every form of this sign-in. */
  readonly csrf: string
}

/** An admin, as the ID token names them. */
interface VouchedFor {
  readonly issuer: string
  readonly subject: string
  /** The ID token's. */
  readonly claims: Readonly<Record<string, unknown>>
  readonly name: string
  /** The ID token's `sid`, for back-channel logout. */
  readonly sid: string | undefined
  /** The ID token's `iat`. */
  readonly issuedAt: number
}

/** {@link createSignInCookie} */
export type SignInCookie = ReturnType<typeof createSignInCookie>

/**
 * Makes the functions that begin, read and end a sign-in. They throw `store_unavailable`; `read` throws
 * `user_blocked` too.
 */
export function createSignInCookie({
  cookies,
  settings,
  issuers,
  admins,
  registry,
  now,
}: {
  readonly cookies: Cookies
  readonly settings: ConsoleSettings
  readonly issuers: Settings['issuers']
  readonly admins: AdminSettings
  readonly registry: Pick<Registry, 'remembers' | 'rememberOnce' | 'readStanding'>
  readonly now: Clock
}) {
  const seconds = settings.sessionMinutes * 60
  // An admin who was let in under another rule signs in again: the rule may have become stricter.
  const userRule = issuers.find(({ issuer }) => issuer === settings.issuer)?.user.source
  const { issuer: at, clientId } = settings
  const rule = digestOf([admins.when.source, admins.issuers, at, clientId, userRule])
  const identityOf = ({ actor, sid }: z.output<typeof signInSchema>): TokenIdentity => {
    const { issuer } = settings
    return { issuer, subject: actor.slice(issuer.length + 1), sid }
  }
  /** From the cookie where it is there, else from the subject alone. */
  const userOf = (kept: z.output<typeof signInSchema>): UserId | undefined => {
    const { issuer, subject = '' } = identityOf(kept)
    return parseUserId(kept.user) ?? mapSubject(issuers, issuer, subject)
  }
  return {
    async begin(c: AppContext, { name, sid, issuedAt, ...who }: VouchedFor): Promise<void> {
      const ids = { id: newId('adm_'), csrf: newId('') }
      const mapped = userOfAdmin(issuers, who)
      // Nothing twice: browsers drop a cookie of more than 4096 bytes (RFC 6265bis §5.6).
      const user = mapSubject(issuers, who.issuer, who.subject) === mapped ? undefined : mapped
      const admin = { actor: actorOf(who), user, name: name.slice(0, 100), sid, issuedAt }
      const value = { ...ids, ...admin, rule }
      await cookies.write(c, 'session', { value, seconds })
    },

    /** Undefined when nobody is signed in, or not any more. */
    async read(c: AppContext): Promise<SignIn | undefined> {
      const kept = await cookies.read(c, 'session', signInSchema)
      if (kept?.rule !== rule) return undefined
      const user = userOf(kept)
      if (user === undefined) return undefined
      const question = { user, identity: identityOf(kept), now: unixSeconds(now) }
      const [ended, standing] = await Promise.all([
        registry.remembers(endKey(kept.id), unixSeconds(now)),
        registry.readStanding(question),
      ])
      // Back-channel logout counts here as it does for tokens.
      const { loggedOutAt } = standing
      const loggedOut = loggedOutAt !== undefined && kept.issuedAt < loggedOutAt
      if (ended || loggedOut) return undefined
      refuseBlocked(standing)
      return { ...kept, user }
    },

    /** Also where the cookie has been copied. */
    async end(c: AppContext, { id }: SignIn): Promise<void> {
      await registry.rememberOnce(endKey(id), seconds, unixSeconds(now))
      cookies.clear(c, 'session')
    },
  }
}

function endKey(id: string): string {
  return `console-signed-out:${id}`
}

function digestOf(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('base64url')
}
