// The outermost layer of every request: its id, the headers of every answer, its line in the access log, its errors.

import type { MiddlewareHandler } from 'hono'
import { ServiceError } from '../lib/errors.ts'
import { newId } from '../lib/ids.ts'
import type { LogFields } from '../lib/log/fields.ts'
import type { Log } from '../lib/log.ts'
import type { MemoryBudget } from '../lib/shares/memory-budget.ts'
import { problemAnswer } from '../respond/problem.ts'
import { answerText, EVERY_ANSWER, setHeader, type TextAnswer } from './answer.ts'
import type { AppContext, AppEnv, RequestFacts } from './context.ts'
import { allowedOrigin, corsHeaders, type Origins } from './origins.ts'
import { refusalLine } from './refusal-line.ts'
import { answeredBelow } from './server/unusable-requests.ts'

const CHALLENGE = 'WWW-Authenticate'

/** Parts of the outermost layer. */
interface FrameParts {
  readonly origins: Origins
  readonly log: Log
  /** Aborted when the service stops: connections then close with their answer. */
  readonly draining: AbortSignal
  readonly memory: MemoryBudget
  /** By path: gets each answer of the path, for the audit. Cheaper than a layer of Hono's. */
  readonly audits?: ReadonlyMap<string, (c: AppContext) => void>
  /** Gets each answer, for metrics. */
  readonly onAnswer?: (answer: AnswerSeen) => void
}

/** An answer as metrics see it. */
export interface AnswerSeen {
  readonly method: string
  /** The route's pattern, never the path: paths can hold users. */
  readonly route: string
  readonly status: number
  readonly code: string | undefined
  readonly milliseconds: number
  readonly requestId: string
  /** The client's `traceparent` header, unchanged. */
  readonly traceparent: string | undefined
  readonly facts: RequestFacts
}

/**
 * Wraps every request. Headers are gathered before the handler runs: setting them on a finished answer
 * costs more CPU than the rest of a mint's answer (it discards the Node adapter's light response).
 */
export function requestFrame(options: FrameParts): MiddlewareHandler<AppEnv> {
  return async (c, next) => {
    const started = performance.now()
    const requestId = newId('req_')
    c.set('requestId', requestId)
    c.set('facts', {})
    c.set('memory', options.memory)
    const { draining, origins } = options
    const origin = allowedOrigin(c, origins)
    // Set before the answer exists, so that errors have them too: a 500 without CORS headers looks like a CORS failure
    // to the page.
    const cors = origin === undefined ? undefined : corsHeaders(origin, origins)
    c.set('headers', { 'X-Request-Id': requestId, ...EVERY_ANSWER, ...cors })
    // Gathered too, for streams: they send their head before their handler returns.
    if (draining.aborted) setHeader(c, 'Connection', 'close')
    await next()
    options.audits?.get(c.req.path)?.(c)
    if (c.res !== c.get('wholeAnswer')) completeHeaders(c)
    // Again after the answer, so that requests under way when the draining began close their connection too. Where
    // the head is sent, the adapter would take the changed answer for one of its own, and write a second head.
    const { outgoing } = c.env
    if (draining.aborted && !outgoing.headersSent) c.header('Connection', 'close')
    if (answeredBelow.has(outgoing)) return
    logAnswer(c, options, performance.now() - started)
  }
}

/** Adds the gathered headers to an answer that {@link answerText} did not make. */
function completeHeaders(c: AppContext): void {
  const { headers } = c.res
  for (const [name, value] of Object.entries(c.get('headers'))) {
    if (!headers.has(name)) headers.set(name, value)
  }
}

function logAnswer(c: AppContext, { log, onAnswer }: FrameParts, milliseconds: number): void {
  const status = c.res.status
  const refused = c.error === undefined && status < 500 ? undefined : refusalLine(c.error, status)
  const route = c.req.routePath
  const facts = c.get('facts')
  const requestId = c.get('requestId')
  // Node's own request has its headers parsed already.
  const traceparent = c.env.incoming.headers.traceparent
  onAnswer?.({
    method: c.req.method,
    route,
    status,
    code: refused?.code,
    milliseconds,
    requestId,
    traceparent: typeof traceparent === 'string' ? traceparent : undefined,
    facts,
  })
  const { user, workflow, session, upstream } = facts
  const line: LogFields = {
    request_id: requestId,
    method: c.req.method,
    route,
    status,
    code: refused?.code,
    reason: refused?.reason,
    help: refused?.help,
    user,
    workflow,
    session,
    upstream: upstream && {
      operation: upstream.operation,
      status: upstream.status,
      request_id: upstream.requestId,
      attempts: upstream.attempts,
      ms: Math.round(upstream.milliseconds * 10) / 10,
    },
    ms: Math.round(milliseconds * 10) / 10,
    err: refused?.err,
  }
  log[refused?.level ?? 'info'](line, 'request')
}

/**
 * Hono's error handler: every error becomes problem details, or an answer in another format. An unexpected
 * error is `internal_error` for the client; the log shows the original.
 */
export function answerError(
  error: Error,
  c: AppContext,
  inFormat: (error: ServiceError, requestId: string) => TextAnswer = problemAnswer,
): Response {
  const known =
    error instanceof ServiceError
      ? error
      : new ServiceError('internal_error', { reason: error.name, cause: error })
  c.error = known
  // The rest of the request may still arrive, so where the next request begins would be unknown.
  if (known.code === 'request_timeout') setHeader(c, 'Connection', 'close')
  const answer = inFormat(known, c.get('requestId'))
  return answerText(c, { ...answer, headers: withChallenge(c, answer.headers) })
}

/** Names each scheme that the endpoint takes (RFC 9110 §11.6.1): the code's own, and one that was set before. */
function withChallenge(c: AppContext, headers: TextAnswer['headers']): TextAnswer['headers'] {
  const own = headers[CHALLENGE]
  const other = c.get('headers')[CHALLENGE]
  return own && other ? { ...headers, [CHALLENGE]: `${own}, ${other}` } : headers
}
