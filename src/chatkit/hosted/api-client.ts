import type { Dispatcher } from 'undici'
import type { Clock } from '../../lib/clock.ts'
import { type CallerSignal, startDeadline } from '../../lib/deadline.ts'
import { type ErrorCode, ServiceError } from '../../lib/errors.ts'
import type { Secret } from '../../lib/secret.ts'
import { CALL_DEADLINE_MS, type CallOptions, type ChatKitOperation } from '../port.ts'
import { apiError } from '../wire/wire.ts'
import { BreakerOpenError, type BreakerState } from './breaker.ts'
import { type Exchange, exchange, type FaultKind, UpstreamFault } from './exchange.ts'
import { createGuarded, type RetryPolicy } from './resilience.ts'
import { handedOnSeconds } from './retry-after.ts'

/** One call of the API, before headers and deadline. */
export interface ApiCall {
  readonly operation: ChatKitOperation
  readonly method: 'GET' | 'POST' | 'DELETE'
  readonly path: string
  readonly body?: string
  readonly maxBytes: number
  readonly retry: RetryPolicy
}

/** An answer with any status. */
export interface Answer {
  readonly status: number
  readonly body: Buffer
  /** Status, request id and the API's error code, for reasons in the log. */
  describe(): string
  /** What to throw when the status is not one the operation deals with itself. */
  error(): ServiceError
}

/** Sends calls: credential, headers, deadline, retry, breaker. */
export interface Caller {
  /** @throws `ServiceError` when no whole answer came */
  send(call: ApiCall, options: CallOptions | undefined): Promise<Answer>
  breakers(): Readonly<Record<'api' | 'cancel', BreakerState>>
}

/** What {@link createCaller} needs. */
export interface CallerOptions {
  /** Without a trailing slash: `https://api.openai.com/v1`. */
  readonly baseUrl: string
  /** Asked before each call, so that a rotated key counts at once. */
  readonly apiKey: () => Secret
  readonly organization?: string | undefined
  readonly project?: string | undefined
  /** Connections to `baseUrl`; shared by all adapters that call it. */
  readonly dispatcher: Dispatcher
  /** Connections for cancels alone, so that creates that hang cannot take them all. */
  readonly cancelDispatcher?: Dispatcher | undefined
  /** For all attempts of one call together, the body of the answer included; {@link CALL_DEADLINE_MS} when absent. */
  readonly deadlineMs?: number | undefined
  /** For dates in `Retry-After`; `Date.now` when absent. */
  readonly now?: Clock | undefined
}

/**
 * @param options - where to and as whom
 */
export function createCaller(options: CallerOptions): Caller {
  const { origin, pathname } = new URL(options.baseUrl)
  const basePath = pathname === '/' ? '' : pathname
  const { dispatcher, cancelDispatcher = dispatcher, now = Date.now } = options
  // Cancel has a way of its own: a flood of failing mints must not stop a revoke.
  const ways = {
    api: { guard: createGuarded(), dispatcher },
    cancel: { guard: createGuarded(), dispatcher: cancelDispatcher },
  }
  return {
    async send(call, { signal, observe, withinMs } = {}) {
      const way = call.operation === 'cancel_session' ? ways.cancel : ways.api
      const started = performance.now()
      const headers = requestHeaders(options, call.body !== undefined)
      const deadline = startDeadline(withinMs ?? options.deadlineMs ?? CALL_DEADLINE_MS, signal)
      const seen: { attempts: number; last?: Exchange | undefined } = { attempts: 0 }
      const request = {
        method: call.method,
        path: basePath + call.path,
        headers,
        body: call.body ?? null,
        maxBytes: call.maxBytes,
        deadline,
      }
      const attempt = async () => {
        seen.last = undefined
        signal?.throwIfAborted()
        seen.attempts++
        seen.last = await exchange(way.dispatcher, origin, request)
        return seen.last
      }
      try {
        const result = await way.guard.run({ attempt, retry: call.retry, deadline, nowMs: now() })
        return answerOf(result, now())
      } catch (error) {
        throw asServiceError(error, signal)
      } finally {
        deadline.stop()
        observe?.({
          operation: call.operation,
          status: seen.last?.status,
          requestId: seen.last?.requestId,
          milliseconds: performance.now() - started,
          attempts: seen.attempts,
        })
      }
    },
    breakers: () => ({ api: ways.api.guard.state(), cancel: ways.cancel.guard.state() }),
  }
}

function requestHeaders(options: CallerOptions, hasBody: boolean): Record<string, string> {
  const headers: Record<string, string> = {
    authorization: `Bearer ${options.apiKey().reveal()}`,
    'openai-beta': 'chatkit_beta=v1',
    accept: 'application/json',
  }
  if (hasBody) headers['content-type'] = 'application/json'
  if (options.organization) headers['openai-organization'] = options.organization
  if (options.project) headers['openai-project'] = options.project
  return headers
}

function answerOf(result: Exchange, nowMs: number): Answer {
  return {
    status: result.status,
    body: result.body,
    describe: () => describe(result),
    error: () =>
      new ServiceError(codeFor(result.status), {
        reason: describe(result),
        retryAfterSeconds: handedOnSeconds(result.retryAfter, nowMs),
      }),
  }
}

function codeFor(status: number): ErrorCode {
  if (status === 401 || status === 403) return 'upstream_auth_failed'
  if (status === 429) return 'upstream_rate_limited'
  if (status >= 500) return 'upstream_unavailable'
  return status >= 400 ? 'upstream_rejected' : 'upstream_invalid_response'
}

/** The API's own `type`, `code` and `param` are names; its `message` can hold a masked key. */
function describe(result: Exchange): string {
  const id = result.requestId === undefined ? '' : `, upstream request ${word(result.requestId)}`
  if (result.status < 400) return `status ${result.status}${id}`
  const { type, code, param } = errorNames(result.body)
  const names = [type, code, param && `param ${param}`].filter(Boolean).join(' ')
  return `status ${result.status}${names && ` (${names})`}${id}`
}

function errorNames(body: Buffer): { type?: string; code?: string; param?: string } {
  try {
    const { error } = apiError.parse(JSON.parse(body.toString('utf8')))
    return { type: word(error.type), code: word(error.code), param: word(error.param) }
  } catch {
    return {}
  }
}

function word(text: string | null | undefined): string {
  return (text ?? '').replace(/[^\w.[\]-]/g, '').slice(0, 64)
}

const CODE_OF_FAULT: Readonly<Record<FaultKind, ErrorCode>> = {
  unanswered: 'upstream_unavailable',
  broken: 'upstream_invalid_response',
  too_large: 'upstream_invalid_response',
  timeout: 'upstream_timeout',
  caller_gone: 'request_timeout',
}

function asServiceError(error: unknown, signal: CallerSignal | undefined): unknown {
  if (signal?.aborted) return signal.reason
  if (error instanceof BreakerOpenError) {
    return new ServiceError('upstream_unavailable', { reason: 'the breaker is open' })
  }
  if (!(error instanceof UpstreamFault)) return error
  return new ServiceError(CODE_OF_FAULT[error.kind], { reason: error.message, cause: error.cause })
}
