// Keeps an admin's sign-in to the console in an encrypted cookie. It ends with the next sign-in, after some
// time without use, and with a sign-out, logout or block.

import { hash } from 'node:crypto'
import { z } from 'zod'
import type { AdminSettings, ConsoleSettings, Settings } from '../../config/settings.ts'
import { selfOf } from '../../http/authentication.ts'
import type { AppContext } from '../../http/context.ts'
import { type Clock, unixSeconds } from '../../lib/clock.ts'
import { newId, parseUserId, type UserId } from '../../lib/ids.ts'
import { mapSubject, type UserOf } from '../../map/map-user.ts'
import { refuseBlocked } from '../../mint/standing.ts'
import { actorOf, identityOf } from '../../registry/identity.ts'
import type { Registry } from '../../registry/port.ts'
import type { Cookies } from './cookies.ts'

const signInSchema = z.object({
  actor: z.string(),
  user: z.string().optional(),
  name: z.string(),
  csrf: z.string(),
  rule: z.string(),
  exp: z.number(),
  sid: z.string().optional(),
  issuedAt: z.number(),
  /** Milliseconds; compared with the end that the registry has. */
  begunAt: z.number(),
  /** Seconds. */
  usedAt: z.number(),
})

type Kept = z.output<typeof signInSchema>

export interface SignIn {
  /** `issuer|subject`, as in the audit. */
  readonly actor: string
  /** Their ChatKit user. */
  readonly user: UserId
  /** For display. */
  readonly name: string
  /** The CSRF token in every form of this sign-in. */
  readonly csrf: string
  /** Milliseconds. */
  readonly begunAt: number
}

/** An admin, as a verified ID token names them. */
interface NamedAdmin {
  readonly issuer: string
  readonly subject: string
  /** The ChatKit user. */
  readonly mapped: UserId
  readonly name: string
  /** The ID token's `sid`, for back-channel logout. */
  readonly sid: string | undefined
  /** The ID token's `iat`. */
  readonly issuedAt: number
}

export type SignInCookie = ReturnType<typeof createSignInCookie>

/**
 * Makes the functions that begin, read and end a sign-in. They throw `store_unavailable`; `read` throws
 * `user_blocked` too.
 *
 * An admin has one sign-in at a time. Its end is kept in the registry, because the cookie may have been copied.
 */
export function createSignInCookie({
  cookies,
  settings,
  issuers,
  userOf,
  admins,
  registry,
  now,
}: {
  readonly cookies: Cookies
  readonly settings: ConsoleSettings
  readonly issuers: Settings['issuers']
  readonly userOf: UserOf
  readonly admins: AdminSettings
  readonly registry: Pick<Registry, 'markLogout' | 'readStanding'>
  readonly now: Clock
}) {
  const seconds = settings.sessionMinutes * 60
  const idleSeconds = settings.idleMinutes * 60
  // An admin who signed in under another rule must sign in again, because the rule may have become stricter.
  const userRule = issuers.find(({ issuer }) => issuer === settings.issuer)?.user.source
  const rules = [admins.when.source, admins.issuers, settings.issuer, settings.clientId, userRule]
  const rule = hash('sha256', JSON.stringify(rules), 'base64url')
  const identityOfKept = ({ actor, sid }: Kept) => {
    const { issuer } = settings
    return identityOf({ issuer, subject: actor.slice(issuer.length + 1), sid })
  }
  /** The user in the cookie, or else the user that the subject alone maps to. */
  const userOfKept = (kept: Kept): UserId | undefined => {
    const { issuer, subject } = identityOfKept(kept)
    return parseUserId(kept.user) ?? mapSubject(issuers, issuer, subject)
  }
  const ends = createEnds(registry, seconds, now)

  return {
    selfOf: (who: Parameters<typeof selfOf>[1]) => selfOf(userOf, who),

    /** Also ends earlier sign-ins: those of this admin anywhere, and that of another admin in this browser. */
    async begin(c: AppContext, { name, sid, issuedAt, mapped, ...who }: NamedAdmin): Promise<void> {
      // The user is left out if the subject maps to it, because browsers drop cookies over 4096 bytes (RFC
      // 6265bis §5.6).
      const user = mapSubject(issuers, who.issuer, who.subject) === mapped ? undefined : mapped
      const actor = actorOf(who)
      const earlier = await cookies.read(c, 'session', signInSchema)
      if (earlier !== undefined && earlier.actor !== actor) {
        await ends.endBefore(earlier.actor, earlier.begunAt + 1)
      }
      // Later than every earlier sign-in, even if another instance's clock is ahead.
      const begunAt = Math.max(now(), 1 + (await ends.endedBefore(actor, mapped)))
      await ends.endBefore(actor, begunAt)
      const admin = { actor, user, name: name.slice(0, 100), sid, issuedAt }
      const value = { ...admin, csrf: newId(''), rule, begunAt, usedAt: unixSeconds(now) }
      await cookies.write(c, 'session', { value, seconds })
    },

    /**
     * Undefined when nobody is signed in, or the sign-in has ended.
     *
     * @param isUse - false for requests that a page makes by itself: they must not keep an unused sign-in alive
     */
    async read(c: AppContext, isUse: boolean): Promise<SignIn | undefined> {
      const kept = await cookies.read(c, 'session', signInSchema)
      if (kept?.rule !== rule) return undefined
      const time = unixSeconds(now)
      if (time - kept.usedAt >= idleSeconds) return undefined
      const user = userOfKept(kept)
      if (user === undefined) return undefined
      const [endedBefore, standing] = await Promise.all([
        ends.endedBefore(kept.actor, user),
        registry.readStanding({ user, identity: identityOfKept(kept), now: time }),
      ])
      if (kept.begunAt < endedBefore) return undefined
      // A back-channel logout ends sign-ins as it ends tokens.
      const { loggedOutAt } = standing
      if (loggedOutAt !== undefined && kept.issuedAt < loggedOutAt) return undefined
      refuseBlocked(standing)
      if (isUse && kept.usedAt !== time) {
        const value = { ...kept, usedAt: time }
        await cookies.write(c, 'session', { value, seconds: kept.exp - time })
      }
      return { ...kept, user }
    },

    /** Ends the sign-in, also in browsers to which its cookie was copied. */
    async end(c: AppContext, { actor, begunAt }: SignIn): Promise<void> {
      await ends.endBefore(actor, begunAt + 1)
      cookies.clear(c, 'session')
    },
  }
}

/** The issuer in logout marks that end sign-ins to the console. */
const CONSOLE = 'console'

/**
 * Ends sign-ins by a logout mark in the registry: those of the admin that began before its time, in milliseconds.
 *
 * @param keepSeconds - the longest sign-in
 */
function createEnds(
  registry: Pick<Registry, 'markLogout' | 'readStanding'>,
  keepSeconds: number,
  now: Clock,
) {
  return {
    async endBefore(actor: string, issuedBefore: number): Promise<void> {
      const keepUntil = unixSeconds(now) + keepSeconds
      await registry.markLogout({ issuer: CONSOLE, subject: actor, issuedBefore, keepUntil })
    },
    async endedBefore(actor: string, user: UserId): Promise<number> {
      const identity = { issuer: CONSOLE, subject: actor }
      const { loggedOutAt } = await registry.readStanding({ user, identity, now: unixSeconds(now) })
      return loggedOutAt ?? 0
    },
  }
}
