// Exports OpenTelemetry spans of answered requests, where tracing is configured.

import { setTimeout as wait } from 'node:timers/promises'
import type { Attributes, Context, DiagLogger, Link, SpanOptions, Tracer } from '@opentelemetry/api'
import { isObject, jsonOrUndefined } from '../../lib/json.ts'
import type { Log } from '../../lib/log.ts'
import type { AnswerSeen } from '../request-frame.ts'

/** OpenTelemetry spans of answered requests. */
export type Tracing = NonNullable<Awaited<ReturnType<typeof startTracing>>>

/** Milliseconds that a collector which hangs may delay the end of the process. */
const STOP_MS = 2000

/**
 * Starts the OpenTelemetry SDK, which reads the standard `OTEL_*` variables itself. Its packages are no dependencies
 * of the service: operators install them, and they are loaded only when tracing is asked for.
 *
 * @param serviceName - resource attribute `service.name`
 * @param log - gets a line about what is exported, or what to install
 * @returns undefined when the packages are not installed
 */
export async function startTracing(serviceName: string, log: Log) {
  try {
    const [api, { NodeSDK }] = await Promise.all([
      import('@opentelemetry/api'),
      import('@opentelemetry/sdk-node'),
    ])
    api.diag.setLogger(exportLog(log), api.DiagLogLevel.ERROR)
    // No instrumentations: they would patch code on the path of every mint.
    const sdk = new NodeSDK({ serviceName, instrumentations: [] })
    sdk.start()
    log.info('traces are exported with OpenTelemetry')
    return {
      /** Writes one span for the request, and one below it for its call of the ChatKit API. */
      seen: createSpans(api),
      /** Exports the spans that wait, for {@link STOP_MS} at most. Never throws. */
      async stop(): Promise<void> {
        const shutdown = sdk.shutdown().catch(() => undefined)
        await Promise.race([shutdown, wait(STOP_MS, undefined, { ref: false })])
      },
    }
  } catch (error) {
    log.error(
      { err: error },
      'OTEL_* variables ask for traces, but the packages are missing: npm install @opentelemetry/api @opentelemetry/sdk-node',
    )
    return undefined
  }
}

/** Most kinds of trouble that are logged. */
const MOST_TROUBLES = 10

/**
 * Logs why traces are not exported, each cause once: an exporter whose collector is away fails again every few seconds.
 * With `OTEL_LOG_LEVEL` OpenTelemetry replaces this by a log of its own.
 */
function exportLog(log: Log): DiagLogger {
  const known = new Set<string>()
  const ignore = () => {}
  const error = (text: string) => {
    const cause = messageOf(text).slice(0, 200)
    if (known.has(cause) || known.size >= MOST_TROUBLES) return
    known.add(cause)
    log.warn({ cause }, 'traces are not exported: look at the OTEL_* variables and the collector')
  }
  return { error, warn: ignore, info: ignore, debug: ignore, verbose: ignore }
}

/** OpenTelemetry writes an error as JSON, with its stack. */
function messageOf(text: string): string {
  const written = jsonOrUndefined(text)
  const { message } = isObject(written) ? written : {}
  return typeof message === 'string' ? message : text
}

/** The part of the OpenTelemetry API that spans need. */
type SpanApi = Pick<typeof import('@opentelemetry/api'), 'trace' | 'ROOT_CONTEXT'> & {
  readonly SpanKind: { readonly SERVER: 1; readonly CLIENT: 2 }
  readonly SpanStatusCode: { readonly ERROR: 2 }
}

/**
 * Writes each span when the answer is known, with its start and end, so that no context has to follow the request.
 * Attributes are those of the HTTP semantic conventions. None holds a user, a token or a path, which can hold users.
 */
function createSpans(api: SpanApi): (answer: AnswerSeen) => void {
  const tracer = api.trace.getTracer('chatkit-mint')
  return (answer) => {
    const end = Date.now()
    const { method, route, status, code, requestId, facts } = answer
    const attributes: Attributes = {
      'http.request.method': method,
      'http.route': route,
      'http.response.status_code': status,
      'chatkit_mint.request_id': requestId,
      ...(code !== undefined && { 'error.type': code }),
      ...(facts.workflow !== undefined && { 'chatkit_mint.workflow': facts.workflow }),
    }
    const span = tracer.startSpan(
      `${method} ${route}`,
      {
        kind: api.SpanKind.SERVER,
        startTime: end - answer.milliseconds,
        links: linksOf(answer.traceparent),
        attributes,
      },
      api.ROOT_CONTEXT,
    )
    if (status >= 500) span.setStatus({ code: api.SpanStatusCode.ERROR })
    addUpstream(answer, { api, tracer, parent: api.trace.setSpan(api.ROOT_CONTEXT, span), end })
    span.end(end)
  }
}

interface SpanParts {
  readonly api: SpanApi
  readonly tracer: Tracer
  readonly parent: Context
  /** End of the request, milliseconds since the epoch. */
  readonly end: number
}

/** The start of the call is not known, so its span ends with that of the request. */
function addUpstream({ facts }: AnswerSeen, { api, tracer, parent, end }: SpanParts): void {
  const call = facts.upstream
  if (call === undefined) return
  const { operation, status, requestId, attempts, milliseconds } = call
  const options: SpanOptions = {
    kind: api.SpanKind.CLIENT,
    startTime: end - milliseconds,
    attributes: {
      'chatkit_mint.attempts': attempts,
      ...(status !== undefined && { 'http.response.status_code': status }),
      ...(requestId !== undefined && { 'chatkit_mint.upstream_request_id': requestId }),
    },
  }
  const span = tracer.startSpan(operation, options, parent)
  if (status === undefined || status >= 400) span.setStatus({ code: api.SpanStatusCode.ERROR })
  span.end(end)
}

const TRACEPARENT = /^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})/

/**
 * The caller's trace is linked, not continued. Otherwise any caller could decide which requests are sampled, and
 * write into other people's traces (W3C Trace Context §7.1, restarting at a trust boundary).
 */
function linksOf(traceparent: string | undefined): Link[] {
  const [, traceId, spanId, flags] = TRACEPARENT.exec(traceparent ?? '') ?? []
  if (traceId === undefined || spanId === undefined || flags === undefined) return []
  return [{ context: { traceId, spanId, traceFlags: Number.parseInt(flags, 16), isRemote: true } }]
}
