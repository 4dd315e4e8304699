// Checks the credentials of a call as the ChatKit API does, but only the beginning of the key.

import type { MiddlewareHandler } from 'hono'
import { ApiError } from '../../http/backend/api-error.ts'

const BETA = 'chatkit_beta=v1'

/**
 * Refuses a call without a key that begins with `sk-`, or without the beta header.
 *
 * @throws {@link ApiError} 401, 400
 */
export const requireCredentials: MiddlewareHandler = async ({ req }, next) => {
  const key = /^bearer +(\S+)$/i.exec(req.header('authorization') ?? '')?.[1]
  if (key === undefined) {
    const message = `You didn't provide an API key. Send it as "Authorization: Bearer YOUR_KEY".`
    throw new ApiError(401, message)
  }
  if (!key.startsWith('sk-')) {
    const message = `Incorrect API key provided: ${masked(key)}.`
    throw new ApiError(401, message, { code: 'invalid_api_key' })
  }
  const betas = (req.header('openai-beta') ?? '').split(',').map((beta) => beta.trim())
  if (!betas.includes(BETA)) {
    const message = `You must provide the 'OpenAI-Beta' header to access the ChatKit API. Please try again by setting the header 'OpenAI-Beta: ${BETA}'.`
    throw new ApiError(400, message, { code: 'invalid_beta' })
  }
  await next()
}

/** The real API quotes a masked key in its message, so callers must be tested with one. */
function masked(key: string): string {
  if (key.length < 12) return '*'.repeat(key.length)
  return `${key.slice(0, 3)}${'*'.repeat(key.length - 7)}${key.slice(-4)}`
}
