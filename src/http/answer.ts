// Makes the answers of frequent calls cheaply: headers are gathered in a plain object.
import type { AnswerHeaders, AppContext } from './context.ts'

// Hono gathers headers in a `Headers`, which costs more CPU than the rest of an answer. Those that
// every answer has are gathered in a plain object instead, which Node's `writeHead` takes as it is.

/** A whole answer, headers that every answer has apart. */
export interface TextAnswer {
  readonly status: number
  /** With the content type. */
  readonly headers: Readonly<AnswerHeaders>
  readonly body: string
}

/**
 * The headers of every answer to a request that was understood.
 *
 * @param requestId - ours
 */
export function everyAnswer(requestId: string): AnswerHeaders {
  return {
    'X-Request-Id': requestId,
    'X-Content-Type-Options': 'nosniff',
    'Cache-Control': 'no-store',
  }
}

/**
 * Puts a header on the answer, whoever makes it, unless the answer brings one of that name.
 *
 * @param c - before its answer is made
 */
export function setHeader(c: AppContext, name: string, value: string): void {
  c.get('headers')[name] = value
}

/**
 * The light way to answer: for what is called often.
 *
 * @param c - the request
 * @param answer - what to say
 */
export function answerText(c: AppContext, { status, headers, body }: TextAnswer): Response {
  const response = new Response(body, { status, headers: { ...c.get('headers'), ...headers } })
  c.set('lightAnswer', response)
  return response
}

/**
 * Gives an answer that was made another way, by `c.json` for example, the headers of every answer.
 *
 * @param c - with its answer
 */
export function completeHeaders(c: AppContext): void {
  if (c.res === c.get('lightAnswer')) return
  const { headers } = c.res
  for (const [name, value] of Object.entries(c.get('headers'))) {
    if (!headers.has(name)) headers.set(name, value)
  }
}
