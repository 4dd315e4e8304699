// Keeps values in the browser as encrypted cookies: it can neither read nor make up any of them.

import { hkdfSync } from 'node:crypto'
import { deleteCookie, getCookie, setCookie } from 'hono/cookie'
import { EncryptJWT, errors, jwtDecrypt } from 'jose'
import type { z } from 'zod'
import type { AppContext } from '../../http/context.ts'
import { type Clock, unixSeconds } from '../../lib/clock.ts'

type Purpose = 'session' | 'sign-in' | 'notice'

/** {@link createCookies} */
export type Cookies = ReturnType<typeof createCookies>

/**
 * HttpOnly, and under https with the prefix `__Host-`, so that no neighbouring host can set one
 * (RFC 6265bis §4.1.3.2). SameSite is Lax and not Strict: a sign-in ends with a redirect from another
 * site, which strict cookies do not survive; forms are guarded by Origin and token.
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
  return {
    /** Undefined without a cookie that this service has sealed and that still counts. */
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
      deleteCookie(c, nameOf(purpose), common)
    },
  }
}

const ENCRYPTION = 'A256GCM'
const KEY_BYTES = 32

/**
 * Compact JWE (RFC 7516) with a direct symmetric key; the purpose is the audience, so that a value that
 * was sealed for one purpose does not open for another.
 */
export function createSealer({
  secret,
  now,
}: {
  /** At least 32 bytes; asked for at each use, so that a file may change. */
  readonly secret: () => Promise<Uint8Array>
  readonly now: Clock
}) {
  const key = async () =>
    new Uint8Array(hkdfSync('sha256', await secret(), '', 'chatkit-mint console', KEY_BYTES))
  return {
    /** @param seconds - how long it opens */
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
    /** Undefined when it was not sealed by us for this purpose, has been changed, or has expired. */
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
