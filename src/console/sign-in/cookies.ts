import { deleteCookie, getCookie, setCookie } from 'hono/cookie'
import type { z } from 'zod'
import type { AppContext } from '../../http/context.ts'
import type { Addresses } from '../addresses.ts'
import type { Sealer } from './sealer.ts'

/** What the console keeps in the browser. */
export type CookiePurpose = 'session' | 'sign-in' | 'notice'

/** Encrypted cookies. */
export interface Cookies {
  /** Undefined when there is none, or none of ours that still counts. */
  read<S extends z.ZodType>(
    c: AppContext,
    purpose: CookiePurpose,
    schema: S,
  ): Promise<z.output<S> | undefined>
  write(c: AppContext, purpose: CookiePurpose, kept: Kept): Promise<void>
  clear(c: AppContext, purpose: CookiePurpose): void
}

/** What is kept, and for how long. */
export interface Kept {
  readonly value: Readonly<Record<string, unknown>>
  readonly seconds: number
}

/**
 * HttpOnly, and under https with the prefix `__Host-`, so that no neighbouring host can set one
 * (RFC 6265bis §4.1.3.2). SameSite is Lax and not Strict: a sign-in ends with a redirect from another
 * site, which strict cookies do not survive; what changes something is guarded by Origin and token.
 *
 * @param addresses - whether it is https
 * @param sealer - encrypts
 */
export function createCookies({ secure }: Addresses, sealer: Sealer): Cookies {
  const nameOf = (purpose: CookiePurpose) =>
    `${secure ? '__Host-' : ''}chatkit-mint-console-${purpose}`
  const common = { path: '/', secure, httpOnly: true, sameSite: 'Lax' } as const
  return {
    async read(c, purpose, schema) {
      const sealed = getCookie(c, nameOf(purpose))
      return sealed === undefined ? undefined : sealer.open(purpose, sealed, schema)
    },
    async write(c, purpose, { value, seconds }) {
      const sealed = await sealer.seal(purpose, value, seconds)
      setCookie(c, nameOf(purpose), sealed, { ...common, maxAge: seconds })
    },
    clear(c, purpose) {
      deleteCookie(c, nameOf(purpose), common)
    },
  }
}
