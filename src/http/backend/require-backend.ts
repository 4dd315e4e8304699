// The check of the routes for backends: an API key of the config, and no browser.

import { hash, timingSafeEqual } from 'node:crypto'
import type { ApiKeySettings } from '../../config/settings.ts'
import { ServiceError } from '../../lib/errors.ts'
import type { AppContext, Check } from '../context.ts'
import type { FailedAuth } from '../failed-auth.ts'

/** A key is any text without a comma: one that was not made by `keys generate` may hold spaces. */
const BEARER = /^Bearer +(.+)$/i

/**
 * Lets backends through, and leaves their key in `c.var.apiKey`. Failed attempts count by address, and are in
 * the audit.
 *
 * The check throws `missing_token`, `invalid_token`, and over the limit `rate_limited` instead of the latter;
 * `invalid_request` for several `Authorization` headers.
 */
export function requireBackend({
  keys,
  failedAuth,
}: {
  readonly keys: readonly ApiKeySettings[]
  readonly failedAuth: FailedAuth
}): Check {
  const known = keys.flatMap((key) =>
    key.sha256.map((digest) => ({ key, digest: Buffer.from(digest, 'hex') })),
  )
  return async (c) => {
    const given = readKey(c)
    const digest = hash('sha256', given, 'buffer')
    // Each is compared, in constant time, so that the duration does not tell how close a guess came.
    const found = known.filter((one) => timingSafeEqual(one.digest, digest)).at(0)
    if (found !== undefined) return c.set('apiKey', found.key)
    failedAuth.note(c, 'backend_attempt')
    throw await failedAuth.counted(
      c,
      new ServiceError('invalid_token', {
        reason:
          'an API key whose SHA-256 is not under api_keys; a key of OpenAI is not accepted here',
      }),
    )
  }
}

function readKey(c: AppContext): string {
  const header = c.req.header('Authorization') ?? ''
  // Headers of one name are joined by a comma, here and by clients. No key has one.
  if (header.includes(',')) {
    throw new ServiceError('invalid_request', {
      reason: 'several Authorization headers',
      detail: 'Send one Authorization header.',
    })
  }
  const key = BEARER.exec(header)?.[1]?.trim()
  if (key) return key
  throw new ServiceError('missing_token', { reason: 'no API key' })
}
