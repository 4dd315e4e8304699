// Makes the embedded ChatKit API misbehave: keeps the faults that are set, and makes the faulty answers.

import { once } from 'node:events'
import { setTimeout as wait } from 'node:timers/promises'
import type { HttpBindings } from '@hono/node-server'
import type { MiddlewareHandler } from 'hono'
import { z } from 'zod'
import { errorBody } from '../../http/backend/api-error.ts'
import { parseOrRefuse } from '../../http/backend/parameters.ts'
import type { ApiEnv } from './middleware.ts'

/**
 * How the next calls misbehave. Everything is optional; an empty object is good behaviour again.
 *
 * - `latency_ms`: the answer is delayed, after the call has been carried out
 * - `status`, `body`: this answer instead of the call. A string is sent unchanged (as HTML when it begins with
 *   `<`), any other value as JSON; without a body, the API's error format. A 3xx has a `Location` on this
 *   server
 * - `hang`: no answer comes; with `status` or `body`, these are sent, and the answer never ends
 * - `retry_after`: value of the header `Retry-After`: seconds or any text
 * - `times`: number of requests that misbehave; when absent, all until the faults are changed
 */
const faults = z.strictObject({
  latency_ms: z.int().min(0).max(600_000).optional(),
  status: z.int().min(200).max(599).optional(),
  body: z.json().optional(),
  hang: z.boolean().optional(),
  retry_after: z.union([z.int().min(0), z.string().regex(/^[\x20-\x7e]+$/)]).optional(),
  times: z.int().min(1).optional(),
})
export type Faults = z.infer<typeof faults>

export type FaultBox = ReturnType<typeof createFaultBox>

/** Keeps the faults that are set; at first there are none. */
export function createFaultBox() {
  let current: Faults = {}
  let left = Number.POSITIVE_INFINITY
  return {
    /** @throws `ApiError` 400 when they are malformed */
    set(value: unknown): Faults {
      current = parseOrRefuse(faults, value)
      left = current.times ?? Number.POSITIVE_INFINITY
      return current
    },
    /** The faults for a request that arrives now; counts it. */
    take(): Faults {
      if (left === 0) return {}
      left -= 1
      return current
    },
  }
}

/** Applies the faults that are set. It runs before the checks, because a real outage does not ask for a key first. */
export function misbehaving(faultBox: FaultBox): MiddlewareHandler<ApiEnv> {
  return async (context, next) => {
    const wanted = faultBox.take()
    const signal = signalOfLeaving(context.env)
    const answer = faultyAnswer(wanted)
    if (answer !== undefined) context.res = answer
    else if (wanted.hang) {
      if (!signal.aborted) await once(signal, 'abort')
      context.res = new Response(null, { status: 500 })
    } else await next()
    // Ends early when the client leaves.
    if (wanted.latency_ms !== undefined) {
      await wait(wanted.latency_ms, undefined, { signal }).catch(() => undefined)
    }
    if (wanted.retry_after !== undefined) context.header('retry-after', String(wanted.retry_after))
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
function signalOfLeaving(env: Partial<HttpBindings> | undefined): AbortSignal {
  const left = new AbortController()
  if (env?.outgoing?.closed) left.abort()
  env?.outgoing?.once('close', () => left.abort())
  return left.signal
}
