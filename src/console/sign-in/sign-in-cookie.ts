// Keeps an admin's sign-in to the console in an encrypted cookie.

import { createHash } from 'node:crypto'
import { z } from 'zod'
import type { AdminSettings, ConsoleSettings } from '../../config/settings.ts'
import type { AppContext } from '../../http/context.ts'
import { type Clock, unixSeconds } from '../../lib/clock.ts'
import { newId } from '../../lib/ids.ts'
import { actorOf } from '../../registry/identity.ts'
import type { Registry } from '../../registry/port.ts'
import type { TokenIdentity } from '../../registry/records.ts'
import type { Cookies } from './cookies.ts'

const signInSchema = z.object({
  id: z.string(),
  actor: z.string(),
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
  /** For display. */
  readonly name: string
  /** Stands in every form of this sign-in. */
  readonly csrf: string
}

/** An admin, as the ID token names them. */
interface VouchedFor {
  readonly issuer: string
  readonly subject: string
  readonly name: string
  /** The ID token's `sid`, for back-channel logout. */
  readonly sid: string | undefined
  /** The ID token's `iat`. */
  readonly issuedAt: number
}

/** {@link createSignInCookie} */
export type SignInCookie = ReturnType<typeof createSignInCookie>

/** Makes the functions that begin, read and end a sign-in. They throw `store_unavailable`. */
export function createSignInCookie({
  cookies,
  settings,
  admins,
  registry,
  now,
}: {
  readonly cookies: Cookies
  readonly settings: ConsoleSettings
  readonly admins: AdminSettings
  readonly registry: Pick<Registry, 'remembers' | 'rememberOnce' | 'readStanding'>
  readonly now: Clock
}) {
  const seconds = settings.sessionMinutes * 60
  // An admin who was let in under another rule signs in again: the rule may have become stricter.
  const rule = digestOf([admins.when.source, admins.issuers, settings.issuer, settings.clientId])
  const identityOf = ({ actor, sid }: z.output<typeof signInSchema>): TokenIdentity => {
    const { issuer } = settings
    return { issuer, subject: actor.slice(issuer.length + 1), sid }
  }
  return {
    async begin(c: AppContext, { name, sid, issuedAt, ...who }: VouchedFor): Promise<void> {
      const ids = { id: newId('adm_'), csrf: newId('') }
      // Nothing twice: browsers drop a cookie of more than 4096 bytes (RFC 6265bis §5.6).
      const admin = { actor: actorOf(who), name: name.slice(0, 100), sid, issuedAt }
      const value = { ...ids, ...admin, rule }
      await cookies.write(c, 'session', { value, seconds })
    },

    /** Undefined when nobody is signed in, or not any more. */
    async read(c: AppContext): Promise<SignIn | undefined> {
      const kept = await cookies.read(c, 'session', signInSchema)
      if (kept?.rule !== rule) return undefined
      const question = { user: kept.actor, identity: identityOf(kept), now: unixSeconds(now) }
      const [ended, standing] = await Promise.all([
        registry.remembers(endKey(kept.id), unixSeconds(now)),
        registry.readStanding(question),
      ])
      // Back-channel logout counts here as it does for tokens.
      const { loggedOutAt } = standing
      const loggedOut = loggedOutAt !== undefined && kept.issuedAt < loggedOutAt
      return ended || loggedOut ? undefined : kept
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
