import { type Clock, unixSeconds } from '../../lib/clock.ts'
import { Secret } from '../../lib/secret.ts'

/** How many requests are remembered. */
const KEPT_REQUESTS = 1000
const NOT_RECORDED: readonly string[] = ['authorization', 'proxy-authorization', 'cookie']

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
  readonly status: number | null
}

/** Remembers the latest requests, for tests to look at. */
export interface Recorder {
  /** @returns to be told the status of the answer */
  record(request: Request, details: { body: string; requestId: string }): (status: number) => void
  /** Oldest first. */
  all(): readonly RecordedRequest[]
  clear(): void
}

/** @param now - the clock of `at` */
export function createRecorder(now: Clock): Recorder {
  const kept: RecordedRequest[] = []
  return {
    record(request, { body, requestId }) {
      const url = new URL(request.url)
      const entry = {
        at: unixSeconds(now),
        method: request.method,
        path: url.pathname,
        query: url.search.slice(1),
        headers: harmless(request.headers),
        key_hint: keyHint(request.headers.get('authorization')),
        body: parsed(body),
        request_id: requestId,
        status: null as number | null,
      }
      kept.push(entry)
      if (kept.length > KEPT_REQUESTS) kept.shift()
      return (status) => {
        entry.status = status
      }
    },
    all: () => kept.slice(),
    clear() {
      kept.length = 0
    },
  }
}

function harmless(headers: Headers): Record<string, string> {
  return Object.fromEntries([...headers].filter(([name]) => !NOT_RECORDED.includes(name)))
}

function keyHint(authorization: string | null): string | null {
  const key = authorization?.replace(/^bearer\s+/i, '')
  return key === undefined ? null : new Secret(key).hint()
}

function parsed(body: string): unknown {
  if (body === '') return null
  try {
    return JSON.parse(body)
  } catch {
    return body
  }
}
