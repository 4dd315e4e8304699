// Reads credentials, body and query of a call as the ChatKit API does, and refuses wrong ones in its words.

import type { Context } from 'hono'
import { ApiError } from '../../http/backend/api-error.ts'
import { jsonBody } from '../kit/app.ts'

const BETA = 'chatkit_beta=v1'

/**
 * Refuses a call without a key, of which only the beginning is checked, or without the header of the
 * beta.
 *
 * @throws {@link ApiError} 401, 400
 */
export function requireCredentials(headers: Headers): void {
  const key = /^bearer +(\S+)$/i.exec(headers.get('authorization') ?? '')?.[1]
  if (key === undefined) {
    const message = `You didn't provide an API key. Send it as "Authorization: Bearer YOUR_KEY".`
    throw new ApiError(401, message)
  }
  if (!key.startsWith('sk-')) {
    const message = `Incorrect API key provided: ${masked(key)}.`
    throw new ApiError(401, message, { code: 'invalid_api_key' })
  }
  const betas = (headers.get('openai-beta') ?? '').split(',').map((beta) => beta.trim())
  if (!betas.includes(BETA)) {
    const message = `You must provide the 'OpenAI-Beta' header to access the ChatKit API. Please try again by setting the header 'OpenAI-Beta: ${BETA}'.`
    throw new ApiError(400, message, { code: 'invalid_beta' })
  }
}

/** The real API shows a masked key in this message, so whoever logs it must expect one. */
function masked(key: string): string {
  if (key.length < 12) return '*'.repeat(key.length)
  return `${key.slice(0, 3)}${'*'.repeat(key.length - 7)}${key.slice(-4)}`
}

/**
 * The JSON body of an API call.
 *
 * @throws {@link ApiError} 400 for another content type or malformed JSON
 */
export async function apiBody(context: Context): Promise<unknown> {
  const type = context.req.header('content-type') ?? ''
  if (type.split(';')[0]?.trim().toLowerCase() !== 'application/json') {
    const message = `Unsupported content type: '${type}'. This API method only accepts 'application/json' requests.`
    throw new ApiError(400, message, { code: 'unsupported_content_type' })
  }
  return jsonBody(context)
}

/**
 * The query of a list call as the wire schemas read it: `limit` is a number where it looks like one.
 *
 * @throws {@link ApiError} 400 when a parameter is repeated
 */
export function queryOf(context: Context): Record<string, string | number> {
  const entries = Object.entries(context.req.queries()).map(([name, values]) => {
    const [value = '', ...more] = values
    if (more.length > 0) throw new ApiError(400, `Repeated parameter: '${name}'.`, { param: name })
    const isNumber = name === 'limit' && /^-?\d{1,9}$/.test(value)
    return [name, isNumber ? Number(value) : value] as const
  })
  return Object.fromEntries(entries)
}
