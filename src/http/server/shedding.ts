import type { IncomingMessage, ServerResponse } from 'node:http'
import { newId } from '../../lib/ids.ts'
import type { Log } from '../../lib/log.ts'
import { comeBackSeconds } from '../../lib/retry-spread.ts'
import { problemAnswer } from '../../respond/problem.ts'
import { everyAnswer } from '../answer.ts'
import { corsHeaders, type Origins } from '../origins.ts'
import { startLagMeter, type Timing } from './event-loop-lag.ts'
import type { Admission } from './mint-limiter.ts'

/** Answers a request; resolves when it has. */
export type Serve = (request: IncomingMessage, response: ServerResponse) => Promise<unknown>

/** Refuses new mints while the process cannot keep up, so that all else goes on. */
export interface Shedding {
  /** The same for all requests but `POST /v1/sessions`, which it answers itself where there is no room. */
  around(serve: Serve): Serve
  stop(): void
}

/** What {@link startShedding} needs. */
export interface SheddingOptions {
  readonly admission: Admission
  readonly origins: Origins
  readonly log: Log
  /** Whether answers close their connections. */
  readonly draining: () => boolean
  /** Told at most once a second how many were refused since. */
  readonly onRefused: (count: number) => void
  /** 0..1. */
  readonly random?: () => number
  readonly timing?: Timing
}

const MINT = '/v1/sessions'
/** One line in the log for all refusals of a second: one each would cost more than they do. */
const REPORT_MS = 1000
/** What is left of a longer body is not read, and its connection closes. */
const MOST_DISCARDED_BYTES = 16 * 1024

/**
 * At three times its capacity a service serves four fifths of it only if a refusal costs less than a
 * tenth of a mint. So it is made here, below the app: no body is read, no token verified, no line
 * logged. Revokes, sign-outs, admins, health and the gateway are never refused.
 *
 * @param options - how many are let in, and what an answer needs
 */
export function startShedding(options: SheddingOptions): Shedding {
  const { admission, origins } = options
  const refusals = createReport(options)
  const stopMeter = startLagMeter((lagMs, nowMs) => {
    admission.sample(lagMs, nowMs)
    refusals.passOn(lagMs, nowMs)
  }, options.timing)
  return {
    around: (serve) => (request, response) => {
      if (!isMint(request)) return serve(request, response)
      if (admission.enter()) {
        return serve(request, response).finally(admission.leave)
      }
      // The app says 403 to a page of another origin, whatever else is the matter.
      const { origin } = request.headers
      if (origin !== undefined && !origins.app.has(origin)) return serve(request, response)
      refusals.add(refuse(request, response, options))
      return ANSWERED
    },
    stop() {
      stopMeter()
      refusals.passOn(0, Number.POSITIVE_INFINITY)
    },
  }
}

const ANSWERED = Promise.resolve()

function isMint({ method, url = '' }: IncomingMessage): boolean {
  return method === 'POST' && (url === MINT || url.startsWith(`${MINT}?`))
}

/** Returns the request's id. */
function refuse(
  request: IncomingMessage,
  response: ServerResponse,
  { origins, draining, random }: SheddingOptions,
): string {
  const { origin } = request.headers
  const requestId = newId('req_')
  const { status, headers, body } = problemAnswer(
    {
      code: 'overloaded',
      detail: undefined,
      upstream: undefined,
      retryAfterSeconds: comeBackSeconds(random),
    },
    requestId,
  )
  response.writeHead(status, {
    ...everyAnswer(requestId),
    ...(origin !== undefined && corsHeaders(origin, origins)),
    ...headers,
    'Content-Length': Buffer.byteLength(body),
    ...((draining() || bodyIsLong(request)) && { Connection: 'close' }),
  })
  response.end(body)
  return requestId
}

function bodyIsLong({ headers }: IncomingMessage): boolean {
  if (headers['transfer-encoding'] !== undefined) return true
  return Number(headers['content-length'] ?? 0) > MOST_DISCARDED_BYTES
}

function createReport({ admission, log, onRefused }: SheddingOptions) {
  let count = 0
  let last = ''
  let reportedAt = Number.NEGATIVE_INFINITY
  return {
    add(requestId: string): void {
      count++
      last = requestId
    },
    passOn(lagMs: number, nowMs: number): void {
      if (count === 0 || nowMs - reportedAt < REPORT_MS) return
      log.warn(
        {
          code: 'overloaded',
          refused: count,
          last_request_id: last,
          under_way: admission.underWay(),
          limit: Math.floor(admission.limit()),
          loop_lag_ms: Math.round(lagMs),
        },
        'mints refused: more than this process can do',
      )
      onRefused(count)
      reportedAt = nowMs
      count = 0
    },
  }
}
