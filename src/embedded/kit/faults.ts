// Makes an embedded server misbehave: keeps the faults that are set, and makes the faulty answers.

import { once } from 'node:events'
import { setTimeout as wait } from 'node:timers/promises'
import type { HttpBindings } from '@hono/node-server'
import { z } from 'zod'
import { errorBody } from '../../http/backend/api-error.ts'
import { parseOrRefuse } from '../../http/backend/parameters.ts'

/** Milliseconds by which an answer is delayed. */
export const milliseconds = z.int().min(0).max(600_000)

/**
 * Faults that both embedded servers have.
 *
 * - `status`, `body`: this answer instead of the call. A string is sent unchanged (as HTML when it begins with
 *   `<`), any other value as JSON; without a body, the API's error format. A 3xx has a `Location` on this
 *   server
 * - `hang`: no answer comes
 * - `times`: number of requests that misbehave; when absent, all until the faults are changed
 */
export const commonFaults = z.strictObject({
  status: z.int().min(200).max(599).optional(),
  body: z.json().optional(),
  hang: z.boolean().optional(),
  times: z.int().min(1).optional(),
})
type CommonFaults = z.infer<typeof commonFaults>

export type FaultBox<Faults extends CommonFaults> = ReturnType<typeof createFaultBox<Faults>>

/** Keeps the faults that are set; at first there are none. */
export function createFaultBox<Faults extends CommonFaults>(schema: z.ZodType<Faults>) {
  const none = schema.parse({})
  let current = none
  let left = Number.POSITIVE_INFINITY
  return {
    /** @throws `ApiError` 400 when they are malformed */
    set(value: unknown): Faults {
      current = parseOrRefuse(schema, value)
      left = current.times ?? Number.POSITIVE_INFINITY
      return current
    },
    /** The faults for a request that arrives now; counts it. */
    take(): Faults {
      if (left === 0) return none
      left -= 1
      return current
    },
  }
}

/** The target of redirects. No call has this path, so the records show whether a client follows a redirect. */
const REDIRECT_TARGET = '/v1/redirected'
/** Statuses with which the Fetch standard allows no body. */
const BODILESS = [204, 205, 304]

/**
 * The faulty answer that replaces the call's own. With `hang` its body never ends.
 *
 * @returns undefined when the call must be carried out
 */
export function faultyAnswer(wanted: CommonFaults): Response | undefined {
  if (wanted.status === undefined && wanted.body === undefined) return undefined
  const status = wanted.status ?? 200
  const text = bodyText(wanted.body, status)
  const headers = new Headers({ 'content-type': contentType(text) })
  if (status >= 300 && status < 400) headers.set('location', REDIRECT_TARGET)
  if (BODILESS.includes(status)) return new Response(null, { status, headers })
  return new Response(wanted.hang ? endless(text) : text, { status, headers })
}

function bodyText(body: CommonFaults['body'], status: number): string {
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

/** A stream with the text that then neither continues nor ends. */
function endless(text: string): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      controller.enqueue(new TextEncoder().encode(text))
    },
  })
}

/**
 * A signal that is aborted when the client leaves. That of the request may never be: `limitBody` copies the request, and
 * the signal of a copy ends with it, when it is collected as garbage.
 *
 * @param env - undefined for a request without a connection
 */
export function signalOfLeaving(env: Partial<HttpBindings> | undefined): AbortSignal {
  const left = new AbortController()
  if (env?.outgoing?.closed) left.abort()
  env?.outgoing?.once('close', () => left.abort())
  return left.signal
}

/** Waits; ends early when the client leaves. */
export async function holdBack(ms: number | undefined, signal: AbortSignal): Promise<void> {
  if (ms !== undefined) await wait(ms, undefined, { signal }).catch(() => undefined)
}

/** Resolves when the client leaves. */
export async function untilGone(signal: AbortSignal): Promise<void> {
  if (!signal.aborted) await once(signal, 'abort')
}
