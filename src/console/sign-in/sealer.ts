import { hkdfSync } from 'node:crypto'
import { EncryptJWT, errors, jwtDecrypt } from 'jose'
import type { z } from 'zod'
import { type Clock, unixSeconds } from '../../lib/clock.ts'

/** Encrypts what a browser keeps for us, so that it can neither be read nor made up there. */
export interface Sealer {
  /**
   * @param purpose - what it is for: sealed for one, it does not open for another
   * @param value - JSON
   * @param seconds - how long it opens
   */
  seal(purpose: string, value: Readonly<Record<string, unknown>>, seconds: number): Promise<string>
  /** Undefined when it was not sealed by us for this purpose, has been changed, or its time is over. */
  open<S extends z.ZodType>(
    purpose: string,
    sealed: string,
    schema: S,
  ): Promise<z.output<S> | undefined>
}

const ENCRYPTION = 'A256GCM'
const KEY_BYTES = 32

/**
 * Compact JWE (RFC 7516) with a direct symmetric key; the purpose is the audience.
 *
 * @param secret - at least 32 bytes; asked for at each use, so that a file may change
 * @param now - the clock
 */
export function createSealer(secret: () => Promise<Uint8Array>, now: Clock): Sealer {
  const key = async () =>
    new Uint8Array(hkdfSync('sha256', await secret(), '', 'chatkit-mint console', KEY_BYTES))
  return {
    async seal(purpose, value, seconds) {
      return new EncryptJWT(value)
        .setProtectedHeader({ alg: 'dir', enc: ENCRYPTION })
        .setAudience(purpose)
        .setExpirationTime(unixSeconds(now) + seconds)
        .encrypt(await key())
    },
    async open(purpose, sealed, schema) {
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
