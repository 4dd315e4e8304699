// The records of requests to the sample ChatKit server, for tests and developers.

import { type Clock, unixSeconds } from '../../lib/clock.ts'
import { isObject, jsonOrUndefined } from '../../lib/json.ts'

/** Longest body that is kept. Only the size of a longer one is kept, so that a thousand of them take no memory. */
const KEPT_BODY_BYTES = 64 * 1024

/**
 * The end of a request. `answered`: completely. `client_gone`: the client left before, and the server stopped
 * its work. `cut`: by a fault.
 */
export type Outcome = 'pending' | 'answered' | 'client_gone' | 'cut'

/** A request that arrived at the sample server. */
export interface ServerRequest {
  /** Unix seconds. */
  readonly at: number
  readonly method: string
  /** Path of the URL, still percent-encoded. */
  readonly path: string
  /** All headers, names in lower case, credentials included: tests check here what a gateway adds or strips. */
  readonly headers: Readonly<Record<string, string>>
  readonly bytes: number
  /** Text of the body; null when it is long or not text. */
  readonly body: string | null
  /** The request's `type`; null when the body is no request. */
  readonly type: string | null
  /** The request's `params`; null when the body is no request, or long. */
  readonly params: unknown
  /** Status of the answer; null while it is pending, or when there was none. */
  status: number | null
  /** Number of frames of a stream that were made. */
  frames: number
  outcome: Outcome
}

/** The entry for a request that has just arrived. */
export function recordOf(request: Request, body: Uint8Array, now: Clock): ServerRequest {
  const type = request.headers.get('content-type') ?? ''
  return {
    at: unixSeconds(now),
    method: request.method,
    path: new URL(request.url).pathname,
    headers: Object.fromEntries(request.headers),
    bytes: body.length,
    ...(type.startsWith('application/json') ? readBody(body) : NOTHING),
    status: null,
    frames: 0,
    outcome: 'pending',
  }
}

const NOTHING = { body: null, type: null, params: null }

function readBody(bytes: Uint8Array): Pick<ServerRequest, 'body' | 'type' | 'params'> {
  const body = new TextDecoder().decode(bytes)
  const value = jsonOrUndefined(body)
  const { type, params } = isObject(value) ? value : {}
  const known = typeof type === 'string' ? type : null
  if (bytes.length > KEPT_BODY_BYTES) return { ...NOTHING, type: known }
  return { body, type: known, params: params ?? null }
}
