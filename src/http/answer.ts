// Gathers the headers of each answer, and makes the answers of frequent calls cheaply.

import type { AnswerHeaders, AppContext } from './context.ts'

// Hono collects headers in a `Headers` object, which costs more CPU than the rest of an answer. The
// headers that every answer has are collected in a plain object instead, which Node's `writeHead` takes
// unchanged.

/** A whole answer, without the headers that every answer has. */
export interface TextAnswer {
  readonly status: number
  /** Includes `Content-Type`. */
  readonly headers: Readonly<AnswerHeaders>
  readonly body: string
}

/** Headers of every answer, beside its `X-Request-Id`. */
export const EVERY_ANSWER = {
  'X-Content-Type-Options': 'nosniff',
  'Cache-Control': 'no-store',
} as const

/**
 * Sets a header of the coming answer; a second call for a name replaces the first. If the answer itself
 * has a header of that name, that one is sent.
 */
export function setHeader(c: AppContext, name: string, value: string): void {
  c.get('headers')[name] = value
}

/** Answers at little CPU cost, for frequent calls. */
export function answerText(c: AppContext, { status, headers, body }: TextAnswer): Response {
  const response = new Response(body, { status, headers: { ...c.get('headers'), ...headers } })
  c.set('wholeAnswer', response)
  return response
}
