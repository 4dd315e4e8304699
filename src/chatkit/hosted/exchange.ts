// One HTTP exchange with the ChatKit API: sends a request and collects the whole answer, within a
// deadline and a bound of bytes. It neither repeats a request nor judges a status.

import type { Dispatcher } from 'undici'
import errors from 'undici/lib/core/errors.js'
import type { Deadline } from '../../lib/deadline.ts'
import { ServiceError } from '../../lib/errors.ts'
import { TooLargeError } from '../../lib/read-bounded.ts'
import type { CallOptions } from '../port.ts'

/** One request to the ChatKit API, as it is sent. */
export interface ExchangeRequest {
  readonly method: 'GET' | 'POST' | 'DELETE'
  readonly path: string
  readonly headers: Record<string, string>
  readonly body: string | null
  /** Longest body of an answer, in bytes. */
  readonly maxBytes: number
  readonly hold: CallOptions['hold']
  readonly deadline: Deadline
}

/** A whole answer, whatever its status. */
export interface UpstreamAnswer {
  readonly status: number
  readonly requestId: string | undefined
  readonly retryAfter: string | undefined
  readonly body: Buffer
}

/**
 * Why no whole answer came. `unanswered`: no connection, or one that sent no answer. `broken`: an answer that
 * broke off or was not HTTP. `timeout`: the deadline passed. `caller_gone`: the caller stopped waiting.
 */
export type FaultKind = 'unanswered' | 'broken' | 'too_large' | 'timeout' | 'caller_gone'

/** The exchange ended without a whole answer. */
export class UpstreamFault extends Error {
  override readonly name = 'UpstreamFault'
  readonly kind: FaultKind

  constructor(kind: FaultKind, cause: unknown) {
    super(`no whole answer: ${kind}`, { cause })
    this.kind = kind
  }
}

/**
 * One HTTP exchange: headers and body under one deadline, the body bounded, redirects not followed.
 *
 * @throws {@link UpstreamFault}, or the error that `hold` throws
 */
export async function exchange(
  dispatcher: Dispatcher,
  origin: string,
  request: ExchangeRequest,
): Promise<UpstreamAnswer> {
  const { method, path, headers, body, deadline } = request
  const { handler, abandon, answer, hasBegun } = createCollector(request)
  deadline.onEnd(abandon)
  dispatcher.dispatch({ origin, path, method, headers, body }, handler)
  try {
    return await answer
  } catch (error) {
    // Thrown by `hold`: no memory is left for the answer. The upstream is not at fault.
    if (error instanceof ServiceError) throw error
    throw new UpstreamFault(deadline.ended() ?? faultKind(error, hasBegun()), error)
  } finally {
    deadline.onEnd(undefined)
  }
}

/**
 * Collects an answer as undici's parser reads it. `dispatcher.request` would put a stream in between,
 * at twice the cost of the whole call.
 */
function createCollector({ maxBytes, hold }: Pick<ExchangeRequest, 'maxBytes' | 'hold'>) {
  const { promise, resolve, reject } = Promise.withResolvers<UpstreamAnswer>()
  let head: Pick<UpstreamAnswer, 'status' | 'requestId' | 'retryAfter'> | undefined
  let running: Dispatcher.DispatchController | undefined
  let abandoned: Error | undefined
  const chunks: Buffer[] = []
  let bytes = 0

  function abandon(reason: Error): void {
    abandoned ??= reason
    if (running !== undefined) running.abort(abandoned)
    // The request still waits for a connection; `onRequestStart` aborts it when it gets one.
    else reject(abandoned)
  }

  const handler: Dispatcher.DispatchHandler = {
    onRequestStart(controller) {
      running = controller
      if (abandoned !== undefined) controller.abort(abandoned)
    },
    onResponseStart(_controller, status, headers) {
      // A 1xx is interim: the answer itself is still to come (RFC 9110 §15.2).
      if (status < 200) return
      const { 'x-request-id': id, 'retry-after': wait } = headers
      const requestId = Array.isArray(id) ? id[0] : id
      const retryAfter = Array.isArray(wait) ? wait[0] : wait
      head = { status, requestId, retryAfter }
    },
    onResponseData(_controller, chunk) {
      bytes += chunk.length
      if (bytes > maxBytes) return abandon(new TooLargeError(`more than ${maxBytes} bytes`))
      try {
        hold?.(chunk.length)
      } catch (error) {
        if (error instanceof Error) abandon(error)
      }
      chunks.push(chunk)
    },
    onResponseEnd() {
      const [first] = chunks
      const body = first !== undefined && chunks.length === 1 ? first : Buffer.concat(chunks)
      if (head === undefined) reject(new Error('an answer without a head'))
      else resolve({ ...head, body })
    },
    onResponseError(_controller, error) {
      reject(error)
    },
  }
  return {
    handler,
    abandon: () => abandon(new Error('abandoned')),
    answer: promise,
    hasBegun: () => head !== undefined,
  }
}

function faultKind(error: unknown, answered: boolean): FaultKind {
  if (error instanceof TooLargeError) return 'too_large'
  // Bytes came, but they were not HTTP, or their headers were longer than we accept.
  const unreadable =
    error instanceof errors.HTTPParserError || error instanceof errors.HeadersOverflowError
  return answered || unreadable ? 'broken' : 'unanswered'
}
