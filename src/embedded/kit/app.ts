// Parts of the Hono apps of both embedded servers: checks of the caller, the bound of a body, error answers,
// and the control calls under `/_embedded`.

import type { Context, Env, Hono, MiddlewareHandler } from 'hono'
import { ApiError, apiErrorAnswer } from '../../http/backend/api-error.ts'
import { parseJson } from '../../http/backend/parameters.ts'
import { isLoopback } from '../../lib/loopback.ts'

const FAULTS = '/_embedded/faults'
const REQUESTS = '/_embedded/requests'

/** Refuses a page whose domain was made to resolve to this machine (DNS rebinding): it sends its own name in `Host`. */
export const loopbackHost: MiddlewareHandler = async ({ req }, next) => {
  if (!isLoopbackUrl(`http://${req.header('host') ?? new URL(req.url).host}`)) {
    throw new ApiError(403, 'This server answers only to loopback hosts.')
  }
  await next()
}

/** Refuses pages of other origins, which send `Origin`. */
export const loopbackOrigin: MiddlewareHandler = async ({ req }, next) => {
  const origin = req.header('origin')
  if (origin !== undefined && !isLoopbackUrl(origin)) {
    throw new ApiError(403, 'This server answers only to loopback origins.')
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

/**
 * The JSON body of a call, whatever its content type is.
 *
 * @throws `ApiError` 400 for malformed JSON
 */
export async function jsonBody(context: Context): Promise<unknown> {
  return parseJson(await context.req.text())
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

/**
 * Adds the calls with which a developer, or a test in another process, sets faults for the next requests and
 * reads the recorded ones. They need no key, and faults do not apply to them.
 */
export function addControlCalls<E extends Env>(
  app: Hono<E>,
  scene: { setFaults(faults: unknown): object; requests(): readonly object[]; clear(): void },
): void {
  app.put(FAULTS, async (context) => context.json(scene.setFaults(await jsonBody(context))))
  app.get(REQUESTS, (context) => context.json({ object: 'list', data: scene.requests() }))
  app.delete(REQUESTS, (context) => {
    scene.clear()
    return context.body(null, 204)
  })
  app.all(FAULTS, notAllowed('PUT'))
  app.all(REQUESTS, notAllowed('GET, HEAD, DELETE'))
}
