// Parts of the Hono apps of both embedded servers: the check of the caller, the bound of a body, error answers.

import type { Env, Hono, MiddlewareHandler } from 'hono'
import { ApiError, apiErrorAnswer } from '../../http/backend/api-error.ts'
import { isLoopback } from '../../lib/loopback.ts'

/** Refuses a page whose domain was made to resolve to this machine (DNS rebinding): it sends its own name in `Host`. */
export const loopbackHost: MiddlewareHandler = async ({ req }, next) => {
  if (!isLoopbackUrl(`http://${req.header('host') ?? new URL(req.url).host}`)) {
    throw new ApiError(403, 'This server answers only to loopback hosts.')
  }
  await next()
}

/** Whether a text is a URL of this machine. */
export function isLoopbackUrl(text: string): boolean {
  return URL.canParse(text) && isLoopback(new URL(text).hostname)
}

/** Bytes of a body that is too long which are still read and discarded. */
const MAX_DISCARDED_BYTES = 64 * 1024 * 1024

/**
 * Refuses a body that is too long, but reads it first: otherwise the connection would be closed, and the client
 * would see a reset instead of the 413.
 *
 * @param maxSize - in bytes
 */
export function limitBody(maxSize: number): MiddlewareHandler {
  return async (context, next) => {
    const { body } = context.req.raw
    if (body !== null) {
      const chunks: Uint8Array[] = []
      let size = 0
      for await (const chunk of body) {
        size += chunk.length
        if (size <= maxSize) chunks.push(chunk)
        else if (size > MAX_DISCARDED_BYTES) break
      }
      if (size > maxSize) throw new ApiError(413, `The body is longer than ${maxSize} bytes.`)
      context.req.raw = new Request(context.req.raw, { body: Buffer.concat(chunks) })
    }
    await next()
  }
}

/** @param allow - methods, as the `Allow` header lists them */
export function notAllowed(allow: string): MiddlewareHandler {
  return ({ req }) => {
    const message = `Not allowed to ${req.method} on ${req.path}.`
    throw new ApiError(405, message, { code: 'method_not_supported', allow })
  }
}

/** Answers unknown paths and thrown errors in the API's error format. */
export function answerErrors<E extends Env>(app: Hono<E>): void {
  const answer = (error: ApiError) => {
    const { body, ...init } = apiErrorAnswer(error)
    return new Response(body, init)
  }
  app.notFound(({ req }) => answer(new ApiError(404, `Invalid URL (${req.method} ${req.path})`)))
  app.onError((error) =>
    answer(
      error instanceof ApiError
        ? error
        : new ApiError(500, `The embedded server failed: ${error.message}`),
    ),
  )
}
