import { createHash } from 'node:crypto'
import { z } from 'zod'
import type { AppContext } from '../../http/context.ts'
import { unixSeconds } from '../../lib/clock.ts'
import { newId } from '../../lib/ids.ts'
import { actorOf } from '../../registry/identity.ts'
import type { TokenIdentity } from '../../registry/records.ts'
import type { ConsoleOptions } from '../options.ts'
import type { Cookies } from './cookies.ts'

const sessionSchema = z.object({
  id: z.string(),
  actor: z.string(),
  name: z.string(),
  csrf: z.string(),
  rule: z.string(),
  exp: z.number(),
  sid: z.string().optional(),
  issuedAt: z.number(),
})

/** An admin who has signed in to the console. */
export interface AdminSession {
  readonly id: string
  /** `issuer|subject`, as the audit trail names admins. */
  readonly actor: string
  /** For the eye. */
  readonly name: string
  /** Stands in every form of this sign-in. */
  readonly csrf: string
}

/** Somebody whom the identity provider vouches for. */
export interface VouchedFor {
  readonly issuer: string
  readonly subject: string
  readonly name: string
  /** The ID token's `sid`, for back-channel logout. */
  readonly sid: string | undefined
  /** The ID token's `iat`. */
  readonly issuedAt: number
}

/** Sign-ins of admins, kept in an encrypted cookie. */
export interface AdminSessions {
  begin(c: AppContext, admin: VouchedFor): Promise<void>
  /** Undefined when nobody is signed in, or not any more; throws `store_unavailable`. */
  read(c: AppContext): Promise<AdminSession | undefined>
  /** Also where the cookie has been copied. */
  end(c: AppContext, session: AdminSession): Promise<void>
}

/**
 * @param cookies - where they are kept
 * @param options - how long they last, who is an admin, the store
 */
export function createAdminSessions(cookies: Cookies, options: ConsoleOptions): AdminSessions {
  const { registry, settings, now } = options
  const seconds = settings.console.sessionMinutes * 60
  const rule = ruleOf(options)
  const { issuer: signedInAt } = settings.console
  const identityOf = ({ actor, sid }: z.output<typeof sessionSchema>): TokenIdentity => {
    return {
      issuer: signedInAt,
      subject: actor.slice(actorOf({ issuer: signedInAt, subject: '' }).length),
      sid,
    }
  }
  return {
    async begin(c, { issuer, subject, name, sid, issuedAt }) {
      const ids = { id: newId('adm_'), csrf: newId('') }
      // Nothing twice: browsers drop a cookie of more than 4096 bytes (RFC 6265bis §5.6).
      const admin = { actor: actorOf({ issuer, subject }), name: name.slice(0, 100), sid, issuedAt }
      const value = { ...ids, ...admin, rule }
      await cookies.write(c, 'session', { value, seconds })
    },
    async read(c) {
      const kept = await cookies.read(c, 'session', sessionSchema)
      if (kept?.rule !== rule) return undefined
      const [ended, guard] = await Promise.all([
        registry.remembers(endKey(kept.id), unixSeconds(now)),
        registry.readStanding({
          user: kept.actor,
          identity: identityOf(kept),
          now: unixSeconds(now),
        }),
      ])
      // Back-channel logout counts here as it does for tokens.
      const loggedOut = guard.loggedOutAt !== undefined && kept.issuedAt < guard.loggedOutAt
      return ended || loggedOut ? undefined : kept
    },
    async end(c, session) {
      await registry.rememberOnce(endKey(session.id), seconds, unixSeconds(now))
      cookies.clear(c, 'session')
    },
  }
}

function endKey(id: string): string {
  return `console-signed-out:${id}`
}

/** Who was let in under another rule has to come in anew: the rule may have become stricter. */
function ruleOf({ settings: { admins, console: login } }: ConsoleOptions): string {
  const rule = [admins.when.source, admins.issuers, login.issuer, login.clientId]
  return createHash('sha256').update(JSON.stringify(rule)).digest('base64url')
}
