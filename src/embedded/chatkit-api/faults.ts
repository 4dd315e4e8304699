import { z } from 'zod'
import { errorBody } from '../kit/api-error.ts'

/**
 * How the next calls misbehave. Everything is optional; an empty object is good behaviour again.
 *
 * - `latency_ms`: the answer is held back; what was asked for has been done by then
 * - `status`, `body`: this answer instead of the call. A string is sent as it stands, any other value
 *   as JSON; without a body, the API's error format. 3xx name a `Location` on this server
 * - `hang`: nothing is answered; with `status` or `body`, these are sent and the answer never ends
 * - `retry_after`: value of that header, seconds or any text
 * - `times`: how many calls; until changed when absent
 */
export const faults = z.strictObject({
  latency_ms: z.int().min(0).max(600_000).optional(),
  status: z.int().min(200).max(599).optional(),
  hang: z.boolean().optional(),
  body: z.json().optional(),
  retry_after: z.union([z.int().min(0), z.string().regex(/^[\x20-\x7e]+$/)]).optional(),
  times: z.int().min(1).optional(),
})
/** {@link faults} */
export type Faults = z.infer<typeof faults>

/** A path that no call has, so that a client which follows a redirect shows up among the requests. */
const REDIRECT_TARGET = '/v1/redirected'
/** Statuses that the Fetch standard allows no body with. */
const BODILESS = [204, 205, 304]

/**
 * The answer that stands in for the call's own.
 *
 * @param wanted - the faults that apply
 * @returns undefined when the call is to be carried out
 */
export function faultyAnswer(wanted: Faults): Response | undefined {
  if (wanted.status === undefined && wanted.body === undefined) return undefined
  const status = wanted.status ?? 200
  const text = bodyText(wanted.body, status)
  const headers = new Headers({ 'content-type': contentType(text) })
  if (status >= 300 && status < 400) headers.set('location', REDIRECT_TARGET)
  if (BODILESS.includes(status)) return new Response(null, { status, headers })
  return new Response(wanted.hang ? endless(text) : text, { status, headers })
}

function bodyText(body: Faults['body'], status: number): string {
  if (typeof body === 'string') return body
  return JSON.stringify(body === undefined ? usualBody(status) : body)
}

function usualBody(status: number): object {
  if (status < 400) return {}
  if (status === 429) {
    const message = 'Rate limit reached for requests.'
    return errorBody({ message, type: 'requests', code: 'rate_limit_exceeded' })
  }
  if (status >= 500) {
    const message = 'The server had an error while processing your request.'
    return errorBody({ message, type: 'server_error' })
  }
  const code = status === 401 ? 'invalid_api_key' : undefined
  return errorBody({ message: 'The request was refused.', type: 'invalid_request_error', code })
}

function contentType(text: string): string {
  return text.startsWith('<') ? 'text/html; charset=utf-8' : 'application/json'
}

/** Gives the text and then neither more nor an end. */
function endless(text: string): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      controller.enqueue(new TextEncoder().encode(text))
    },
  })
}
