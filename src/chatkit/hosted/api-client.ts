// Sends calls to the ChatKit API at OpenAI: adds credential, headers and deadline, and turns failures
// into errors of this service. Mints, thread calls and cancels each have a lane of their own.

import type { Dispatcher } from 'undici'
import type { Clock } from '../../lib/clock.ts'
import { type CallerSignal, startDeadline } from '../../lib/deadline.ts'
import { type ErrorCode, ServiceError } from '../../lib/errors.ts'
import type { Secret } from '../../lib/secret.ts'
import { USER_AGENT } from '../../lib/version.ts'
import { createBulkhead, LANE } from '../bulkhead.ts'
import { CALL_DEADLINE_MS, type CallOptions, type ChatKitOperation } from '../port.ts'
import { handedOnSeconds } from '../wire/retry-after.ts'
import { apiError } from '../wire/wire.ts'
import { BreakerOpenError, type CallOutcome, createBreaker } from './breaker.ts'
import { exchange, type FaultKind, type UpstreamAnswer, UpstreamFault } from './exchange.ts'
import { createRetryBudget, type RepeatableCall, type RetryPolicy, withRetry } from './retry.ts'

/** One call of the API, before headers and deadline. */
export interface ApiCall {
  readonly operation: ChatKitOperation
  readonly lane: Lane
  readonly method: 'GET' | 'POST' | 'DELETE'
  readonly path: string
  readonly body?: string
  readonly maxBytes: number
  readonly retry: RetryPolicy
}

/** Calls of one lane never delay those of another: a flood of thread reads must not stop a mint or a revoke. */
export type Lane = 'mint' | 'threads' | 'cancel'

/** Address, credential and connections of the API. */
export interface ApiClientOptions {
  /** Without a trailing slash: `https://api.openai.com/v1`. */
  readonly baseUrl: string
  /** Read before each call, so that a rotated key is used at once. */
  readonly apiKey: () => Secret
  readonly organization?: string | undefined
  readonly project?: string | undefined
  /** Connections to `baseUrl` for a lane; shared by all adapters that call it. */
  readonly dispatcherFor: (lane: Lane) => Dispatcher
  /** The time of day, to read dates in `Retry-After`; `Date.now` when absent. */
  readonly now?: Clock | undefined
}

export type ApiClient = ReturnType<typeof createApiClient>

export function createApiClient({
  baseUrl,
  apiKey,
  organization,
  project,
  dispatcherFor,
  now = Date.now,
}: ApiClientOptions) {
  const { origin, pathname } = new URL(baseUrl)
  const basePath = pathname === '/' ? '' : pathname
  const credential = { apiKey, organization, project }
  const lanes = {
    mint: createLane(dispatcherFor('mint')),
    threads: createLane(dispatcherFor('threads')),
    cancel: createLane(dispatcherFor('cancel')),
  }
  return {
    /**
     * @returns the answer, whatever its status
     * @throws `ServiceError` when no whole answer came
     */
    async send(call: ApiCall, options: CallOptions = {}) {
      const { signal, observe, withinMs = CALL_DEADLINE_MS, hold, caller } = options
      const lane = lanes[call.lane]
      const started = performance.now()
      const headers = requestHeaders(credential, call.body !== undefined)
      const deadline = startDeadline(withinMs, signal)
      let attempts = 0
      let answer: UpstreamAnswer | undefined
      const request = {
        method: call.method,
        path: basePath + call.path,
        headers,
        body: call.body ?? null,
        maxBytes: call.maxBytes,
        hold,
        deadline,
      }
      const attempt = () => {
        if (signal?.aborted) throw signal.reason
        attempts++
        return exchange(lane.dispatcher, origin, request)
      }
      try {
        answer = await lane.run({ attempt, retry: call.retry, deadline, nowMs: now() }, caller)
        return answer
      } catch (error) {
        throw asServiceError(error, signal)
      } finally {
        deadline.stop()
        observe?.({
          operation: call.operation,
          status: answer?.status,
          requestId: answer?.requestId,
          milliseconds: performance.now() - started,
          attempts,
        })
      }
    },
    /** The error for an answer with a status that the operation does not handle itself. */
    errorFor: (answer: UpstreamAnswer) =>
      new ServiceError(codeFor(answer.status), {
        reason: describeAnswer(answer),
        refused: refusedBy(answer),
        retryAfterSeconds: handedOnSeconds(answer.retryAfter, now()),
      }),
    /** Whether the breaker of each lane is open. */
    breakers: (): Readonly<Record<Lane, boolean>> => ({
      mint: lanes.mint.isOpen(),
      threads: lanes.threads.isOpen(),
      cancel: lanes.cancel.isOpen(),
    }),
  }
}

/**
 * A lane has connections, slots, a breaker and a retry budget of its own. The breaker counts a call once, even
 * if it was repeated. The deadline of a call also covers its wait for a slot.
 */
function createLane(dispatcher: Dispatcher) {
  const breaker = createBreaker()
  const budget = createRetryBudget()
  const bulkhead = createBulkhead(LANE)
  return {
    dispatcher,
    async run(call: RepeatableCall, caller: string | undefined): Promise<UpstreamAnswer> {
      if (breaker.refuses(caller)) throw new BreakerOpenError(breaker.isOpen())
      if (!bulkhead.take()) await bulkhead.wait(call.deadline)
      let era: number | undefined
      try {
        era = breaker.enter(caller)
        const answer = await withRetry(call, budget)
        breaker.report(era, answer.status >= 500 ? 'failed' : 'well', caller)
        return answer
      } catch (error) {
        if (era !== undefined) breaker.report(era, outcomeOf(error), caller)
        throw error
      } finally {
        bulkhead.free()
      }
    },
    isOpen: breaker.isOpen,
  }
}

/**
 * Only 5xx, time-outs and network faults count as failures. A 4xx shows that the upstream works; a caller who leaves
 * shows nothing about it.
 */
function outcomeOf(error: unknown): CallOutcome {
  if (!(error instanceof UpstreamFault)) return 'unknown'
  if (error.kind === 'caller_gone') return 'unknown'
  return error.kind === 'too_large' ? 'well' : 'failed'
}

function requestHeaders(
  { apiKey, organization, project }: Pick<ApiClientOptions, 'apiKey' | 'organization' | 'project'>,
  hasBody: boolean,
): Record<string, string> {
  const headers: Record<string, string> = {
    authorization: `Bearer ${apiKey().reveal()}`,
    'openai-beta': 'chatkit_beta=v1',
    accept: 'application/json',
    'user-agent': USER_AGENT,
  }
  if (hasBody) headers['content-type'] = 'application/json'
  if (organization) headers['openai-organization'] = organization
  if (project) headers['openai-project'] = project
  return headers
}

function codeFor(status: number): ErrorCode {
  if (status === 401 || status === 403) return 'upstream_auth_failed'
  if (status === 429) return 'upstream_rate_limited'
  if (status >= 500) return 'upstream_unavailable'
  return status >= 400 ? 'upstream_rejected' : 'upstream_invalid_response'
}

/**
 * Status, request id and the API's error code, for reasons in the log. The API's own `type`, `code` and
 * `param` are names; its `message` is left out, because it can hold a masked key.
 */
export function describeAnswer(answer: UpstreamAnswer): string {
  const id = answer.requestId === undefined ? '' : `, upstream request ${word(answer.requestId)}`
  if (answer.status < 400) return `status ${answer.status}${id}`
  const { type, code, param } = errorNames(answer.body)
  const names = [type, code, param && `param ${param}`].filter(Boolean).join(' ')
  return `status ${answer.status}${names && ` (${names})`}${id}`
}

/** Status, parameter and code of a 4xx: a backend's SDK shows them, and `doctor` finds the cause with them. */
export function refusedBy({ status, body }: UpstreamAnswer) {
  if (status < 400 || status >= 500) return undefined
  const { code, param } = errorNames(body)
  return { status, param: param || undefined, code }
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
    return new ServiceError('upstream_unavailable', { reason: error.message })
  }
  if (!(error instanceof UpstreamFault)) return error
  return new ServiceError(CODE_OF_FAULT[error.kind], { reason: error.message, cause: error.cause })
}
