// Refuses mints beyond what this process can do, before the app sees them and before they cost much. Every
// other request is always served.

import type { IncomingMessage, ServerResponse } from 'node:http'
import { newId } from '../../lib/ids.ts'
import type { Log } from '../../lib/log.ts'
import { comeBackSeconds } from '../../lib/retry-spread.ts'
import { problemAnswer } from '../../respond/problem.ts'
import { EVERY_ANSWER } from '../answer.ts'
import { corsHeaders, isAppOrigin, type Origins } from '../origins.ts'
import { createMintTurns, type MintLimiter, startLagMeter } from './mint-pacing.ts'

/** Answers a request; resolves when it has. */
export type Serve = (request: IncomingMessage, response: ServerResponse) => Promise<unknown>

/** Refuses or delays mints beyond what this process can do. */
export type Shedding = ReturnType<typeof startShedding>

/** Measurements that decide about refusals, and parts that answer and report them. */
interface SheddingOptions {
  readonly mintLimiter: MintLimiter
  /** Milliseconds that the oldest call of the store has waited for its answer; absent if its calls never wait. */
  readonly storeWaitedMs?: (() => number) | undefined
  readonly origins: Origins
  readonly log: Log
  /** Aborted when the service stops: answers then close their connections. */
  readonly draining: AbortSignal
  /** Gets the number of refusals since its last call, at most once a second. */
  readonly onRefused: (count: number) => void
}

const MINT = '/v1/sessions'
/** A mint asks the store twice and goes through the loop about five times, so waiting for the store counts less. */
const STORE_SHARE = 2 / 5
/** All refusals of a second share one log line, because a line costs more than a refusal. */
const REPORT_MS = 1000
/** A body longer than this is not read: the connection closes instead. */
const MOST_DISCARDED_BYTES = 16 * 1024

/**
 * Goal: 80 % goodput at three times the capacity. A refusal must then cost less than a tenth of a mint, so it is
 * answered before Hono: no body is read, no token verified, no line logged. Revokes, sign-outs, admins, health
 * checks and the gateway are never refused.
 */
export function startShedding(options: SheddingOptions) {
  const { mintLimiter, origins, storeWaitedMs } = options
  const turns = createMintTurns()
  const refusals = createReport(options)
  /** Runs from a mint until nothing depends on it, so that it does not wake up a process without mints. */
  let meter: NodeJS.Timeout | undefined

  function measure(lagMs: number, nowMs: number): void {
    const storeMs = STORE_SHARE * (storeWaitedMs?.() ?? 0)
    const waitMs = Math.max(lagMs, turns.waitedMs(), storeMs)
    const isNeeded = mintLimiter.sample(waitMs, nowMs)
    if (refusals.count > 0) refusals.passOn(lagMs, nowMs)
    else if (!isNeeded) {
      clearInterval(meter)
      meter = undefined
    }
  }

  return {
    /** Serves every request, except `POST /v1/sessions` while the limiter refuses it. */
    around(serve: Serve): Serve {
      return async (request, response) => {
        if (!isMint(request)) return serve(request, response)
        meter ??= startLagMeter(measure)
        if (!mintLimiter.enter()) {
          // A page of an origin that is not allowed always gets the app's 403, never this refusal.
          const { origin } = request.headers
          if (origin !== undefined && !isAppOrigin(origin, origins)) return serve(request, response)
          refusals.add(refuse(request, response, options))
          return undefined
        }
        try {
          if (!turns.mayBegin()) await turns.next()
          return await serve(request, response)
        } finally {
          mintLimiter.leave()
        }
      }
    },
    stop(): void {
      clearInterval(meter)
      if (refusals.count > 0) refusals.passOn(0, Number.POSITIVE_INFINITY)
    },
  }
}

function isMint({ method, url = '' }: IncomingMessage): boolean {
  if (method !== 'POST') return false
  if (!url.includes('%')) return url === MINT || url.startsWith(`${MINT}?`)
  // Percent-encoded, it is the same path to the router (RFC 3986 §6.2.2.2).
  try {
    return decodeURI(url.split('?', 1)[0] ?? '') === MINT
  } catch {
    return false
  }
}

/** Writes the refusal and returns the request's id. */
function refuse(
  request: IncomingMessage,
  response: ServerResponse,
  { origins, draining }: SheddingOptions,
): string {
  const { origin } = request.headers
  const requestId = newId('req_')
  const { status, headers, body } = problemAnswer(
    {
      code: 'overloaded',
      detail: undefined,
      upstream: undefined,
      retryAfterSeconds: comeBackSeconds(),
    },
    requestId,
  )
  response.writeHead(status, {
    'X-Request-Id': requestId,
    ...EVERY_ANSWER,
    ...(origin !== undefined && corsHeaders(origin, origins)),
    ...headers,
    'Content-Length': Buffer.byteLength(body),
    ...((draining.aborted || bodyIsLong(request)) && { Connection: 'close' }),
  })
  response.end(body)
  return requestId
}

function bodyIsLong({ headers }: IncomingMessage): boolean {
  if (headers['transfer-encoding'] !== undefined) return true
  return Number(headers['content-length'] ?? 0) > MOST_DISCARDED_BYTES
}

function createReport({ mintLimiter, log, onRefused }: SheddingOptions) {
  let last = ''
  let reportedAt = Number.NEGATIVE_INFINITY
  return {
    /** Refusals that are not reported yet. */
    count: 0,
    add(requestId: string): void {
      this.count++
      last = requestId
    },
    passOn(lagMs: number, nowMs: number): void {
      if (nowMs - reportedAt < REPORT_MS) return
      log.warn(
        {
          code: 'overloaded',
          refused: this.count,
          last_request_id: last,
          under_way: mintLimiter.underWay(),
          limit: Math.floor(mintLimiter.limit()),
          loop_lag_ms: Math.round(lagMs),
        },
        'mints refused: more than this process can do',
      )
      onRefused(this.count)
      reportedAt = nowMs
      this.count = 0
    },
  }
}
