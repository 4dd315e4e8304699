// Keeps values in the browser as encrypted cookies, which the browser can neither read nor forge.

import { hkdfSync } from 'node:crypto'
import { deleteCookie, getCookie, setCookie } from 'hono/cookie'
import * as errors from 'jose/errors'
import { jwtDecrypt } from 'jose/jwt/decrypt'
import { EncryptJWT } from 'jose/jwt/encrypt'
import type { z } from 'zod'
import type { AppContext } from '../../http/context.ts'
import { type Clock, unixSeconds } from '../../lib/clock.ts'

/** Each sign-in under way has its own cookie, named by its state, because several tabs may begin one. */
type Purpose = 'session' | `sign-in-${string}` | 'notice'

/** Most sign-ins under way in one browser, because each adds a cookie to every request. */
const MOST_SIGN_INS = 4

export type Cookies = ReturnType<typeof createCookies>

/**
 * HttpOnly, and under https with the prefix `__Host-`, so that no other host of the domain can set one (RFC
 * 6265bis §4.1.3.2). SameSite is Lax, not Strict: a sign-in ends with a redirect from another site, on which
 * browsers do not send strict cookies. Forms are protected by their Origin and a token.
 */
export function createCookies({
  secure,
  sealer,
}: {
  /** Whether browsers reach the console by https. */
  readonly secure: boolean
  readonly sealer: ReturnType<typeof createSealer>
}) {
  const nameOf = (purpose: Purpose) => `${secure ? '__Host-' : ''}chatkit-mint-console-${purpose}`
  const common = { path: '/', secure, httpOnly: true, sameSite: 'Lax' } as const
  const drop = (c: AppContext, name: string) => deleteCookie(c, name, common)
  return {
    /** Undefined unless there is a cookie that this service sealed and that has not expired. */
    async read<S extends z.ZodType>(
      c: AppContext,
      purpose: Purpose,
      schema: S,
    ): Promise<z.output<S> | undefined> {
      const sealed = getCookie(c, nameOf(purpose))
      return sealed === undefined ? undefined : sealer.open(purpose, sealed, schema)
    },
    async write(
      c: AppContext,
      purpose: Purpose,
      {
        value,
        seconds,
      }: { readonly value: Readonly<Record<string, unknown>>; readonly seconds: number },
    ): Promise<void> {
      const sealed = await sealer.seal(purpose, value, seconds)
      setCookie(c, nameOf(purpose), sealed, { ...common, maxAge: seconds })
    },
    clear(c: AppContext, purpose: Purpose): void {
      drop(c, nameOf(purpose))
    },
    /** Drops the oldest sign-ins, so that one more may begin. Browsers send the oldest cookie first (RFC 6265 §5.4). */
    clearOldSignIns(c: AppContext): void {
      const names = Object.keys(getCookie(c)).filter((name) => name.startsWith(nameOf('sign-in-')))
      for (const name of names.slice(0, 1 - MOST_SIGN_INS)) drop(c, name)
    },
  }
}

const ENCRYPTION = 'A256GCM'
const KEY_BYTES = 32

/**
 * Seals values as compact JWE (RFC 7516) with a direct symmetric key. The purpose is the audience, so that a
 * value sealed for one purpose does not open for another.
 */
export function createSealer({
  secret,
  now,
}: {
  /** At least 32 bytes; read at each use, so that the key file may change. */
  readonly secret: () => Promise<Uint8Array>
  readonly now: Clock
}) {
  const key = async () =>
    new Uint8Array(hkdfSync('sha256', await secret(), '', 'chatkit-mint console', KEY_BYTES))
  return {
    /** @param seconds - for which the sealed value can be opened */
    async seal(
      purpose: string,
      value: Readonly<Record<string, unknown>>,
      seconds: number,
    ): Promise<string> {
      return new EncryptJWT(value)
        .setProtectedHeader({ alg: 'dir', enc: ENCRYPTION })
        .setAudience(purpose)
        .setExpirationTime(unixSeconds(now) + seconds)
        .encrypt(await key())
    },
    /** Undefined when the value was not sealed here for this purpose, was changed, or has expired. */
    async open<S extends z.ZodType>(
      purpose: string,
      sealed: string,
      schema: S,
    ): Promise<z.output<S> | undefined> {
      const opener = await key()
      try {
        const { payload } = await jwtDecrypt(sealed, opener, {
          audience: purpose,
          requiredClaims: ['exp'],
          keyManagementAlgorithms: ['dir'],
          contentEncryptionAlgorithms: [ENCRYPTION],
          currentDate: new Date(now()),
        })
        return schema.safeParse(payload).data
      } catch (error) {
        if (error instanceof errors.JOSEError) return undefined
        throw error
      }
    },
  }
}
