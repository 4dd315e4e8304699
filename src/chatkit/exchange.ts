import { type Dispatcher, errors } from 'undici'
import type { Deadline } from '../lib/deadline.ts'
import { readBounded, TooLargeError } from '../lib/read-bounded.ts'

/** One request to the ChatKit API, as it goes on the wire. */
export interface ExchangeRequest {
  readonly method: 'GET' | 'POST' | 'DELETE'
  readonly path: string
  readonly headers: Record<string, string>
  readonly body: string | null
  /** Bytes of answer at most. */
  readonly maxBytes: number
  readonly deadline: Deadline
}

/** What came back, whatever its status. */
export interface Exchange {
  readonly status: number
  readonly requestId: string | undefined
  readonly retryAfter: string | undefined
  readonly body: Buffer
}

/**
 * Why no whole answer came: no connection, or none that answered; an answer that broke off or was no
 * HTTP; one that was too long; the deadline; the caller.
 */
export type FaultKind = 'unanswered' | 'broken' | 'too_large' | 'timeout' | 'caller_gone'

/** The exchange ended without a whole answer. */
export class UpstreamFault extends Error {
  override readonly name = 'UpstreamFault'
  readonly kind: FaultKind

  /**
   * @param kind - which of them
   * @param cause - the error underneath
   */
  constructor(kind: FaultKind, cause: unknown) {
    super(`no whole answer: ${kind}`, { cause })
    this.kind = kind
  }
}

/**
 * One HTTP exchange: headers and body under one deadline, the body bounded, redirects not followed.
 *
 * @throws {@link UpstreamFault}
 */
export async function exchange(
  dispatcher: Dispatcher,
  origin: string,
  request: ExchangeRequest,
): Promise<Exchange> {
  let answered = false
  try {
    const { method, path, headers, body, deadline } = request
    const { signal } = deadline
    const response = await dispatcher.request({ origin, path, method, headers, body, signal })
    answered = true
    return {
      status: response.statusCode,
      requestId: single(response.headers['x-request-id']),
      retryAfter: single(response.headers['retry-after']),
      body: await readBounded(response.body, request.maxBytes),
    }
  } catch (error) {
    const kind = request.deadline.ended() ?? faultKind(error, answered)
    throw new UpstreamFault(kind, error)
  }
}

function faultKind(error: unknown, answered: boolean): FaultKind {
  if (error instanceof TooLargeError) return 'too_large'
  // Bytes came, and they were no HTTP, or more headers than we read.
  const unreadable =
    error instanceof errors.HTTPParserError || error instanceof errors.HeadersOverflowError
  return answered || unreadable ? 'broken' : 'unanswered'
}

function single(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header[0] : header
}
