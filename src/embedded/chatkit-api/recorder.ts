// Records the requests to the embedded ChatKit API, for tests and developers.

import type { MiddlewareHandler } from 'hono'
import { type Clock, unixSeconds } from '../../lib/clock.ts'
import { jsonOrUndefined } from '../../lib/json.ts'
import { Secret } from '../../lib/secret.ts'
import type { ApiEnv } from './middleware.ts'

/** Headers that carry credentials, in lower case. */
const CREDENTIALS: readonly string[] = ['authorization', 'proxy-authorization', 'cookie']

/** A request that arrived. It never holds the API key. */
export interface RecordedRequest {
  /** Unix seconds. */
  readonly at: number
  readonly method: string
  /** Path of the URL, still percent-encoded. */
  readonly path: string
  /** Query of the URL without its question mark. */
  readonly query: string
  /** Names in lower case; those that carry credentials are left out. */
  readonly headers: Readonly<Record<string, string>>
  /** Last four characters of the API key, to tell keys apart; null without one. */
  readonly key_hint: string | null
  /** Parsed when it is JSON, else its text; null when there is none. */
  readonly body: unknown
  /** As in the answer's `x-request-id`. */
  readonly request_id: string
  /** Null while the answer is pending. */
  status: number | null
}

const KEPT_REQUESTS = 1000

export type Recorder = ReturnType<typeof createRecorder>

/** Keeps the latest requests. An entry may still change while its request is answered. */
export function createRecorder() {
  const kept: RecordedRequest[] = []
  return {
    add(entry: RecordedRequest): RecordedRequest {
      kept.push(entry)
      if (kept.length > KEPT_REQUESTS) kept.shift()
      return entry
    },
    /** Oldest first. */
    all: (): readonly RecordedRequest[] => kept.slice(),
    clear(): void {
      kept.length = 0
    },
  }
}

/** Records each request, and later the status of its answer. */
export function recording({ add }: Recorder, now: Clock): MiddlewareHandler<ApiEnv> {
  return async (context, next) => {
    const details = { body: await context.req.text(), requestId: context.get('requestId'), now }
    const entry = add(recordOf(context.req.raw, details))
    await next()
    entry.status = context.res.status
  }
}

/** The entry for a request that has just arrived. */
function recordOf(
  request: Request,
  { body, requestId, now }: { body: string; requestId: string; now: Clock },
): RecordedRequest {
  const url = new URL(request.url)
  const key = request.headers.get('authorization')?.replace(/^bearer\s+/i, '')
  const harmless = [...request.headers].filter(([name]) => !CREDENTIALS.includes(name))
  return {
    at: unixSeconds(now),
    method: request.method,
    path: url.pathname,
    query: url.search.slice(1),
    headers: Object.fromEntries(harmless),
    key_hint: key === undefined ? null : new Secret(key).hint(),
    body: body === '' ? null : (jsonOrUndefined(body) ?? body),
    request_id: requestId,
    status: null,
  }
}
