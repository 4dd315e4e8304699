// Serves the app over HTTP/1.1, with limits on clients, answers below the app, and an orderly stop.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { getRequestListener, RequestError } from '@hono/node-server'
import type { Hono } from 'hono'
import { systemCode } from '../../lib/errors.ts'
import type { Log } from '../../lib/log.ts'
import type { AppEnv } from '../context.ts'
import { bareAnswer, writeToResponse, writeToSocket } from './bare-answer.ts'
import { capConnections, createCloseUnused, mostConnections } from './connection-cap.ts'
import { type Listeners, openListeners } from './listeners.ts'
import type { Serve, Shedding } from './shedding.ts'
import {
  type BareProblem,
  createRequestOrder,
  MAX_HEADER_BYTES,
  parserError,
  requestTargetProblem,
  type Take,
} from './unusable-requests.ts'

export interface Listening {
  /** Contains the port in use, even when port 0 was asked for. */
  readonly url: string
  /**
   * Stops taking connections, closes idle ones, and waits until what is in flight is answered.
   *
   * @param graceMs - milliseconds after which open connections are cut
   */
  stop(graceMs: number): Promise<void>
}

/** Address and parts of a server. */
export interface ListenOptions {
  readonly app: Pick<Hono<AppEnv>, 'fetch'>
  readonly host: string
  /** 0 = any free one. */
  readonly port: number
  readonly log: Log
  /** Refuses mints beyond what this process can do; when absent, no mint is refused. */
  readonly shedding?: Pick<Shedding, 'around'> | undefined
  readonly bounds?: {
    /** Connections at a time; {@link mostConnections} when absent. */
    readonly maxConnections?: number
    /** Milliseconds for the slowest body to arrive, where a call allows more than the usual time. */
    readonly slowestBodyMs?: number | undefined
    /** {@link UNREAD_MS} when absent. */
    readonly unreadMs?: number
  }
  /** Number of sockets that listen side by side; 1 when absent. */
  readonly sockets?: number
  /** Gets the number of connections turned away. */
  readonly onTurnedAway?: ((count: number) => void) | undefined
}

/**
 * Bounds on one client's use of a connection. Headers must arrive within 5 s and a body within 35 s, or later where
 * a call allows it (Node's own defaults are 60 s and 300 s). Calls with small bodies set shorter bounds themselves.
 * Keep-alive is longer than the 600 s of Google's load balancers, the longest of common ones that cannot be set: the
 * proxy must be the first to close an idle connection, or a request that it sends at that moment is lost.
 */
const LIMITS = {
  headersTimeout: 5_000,
  requestTimeout: 35_000,
  connectionsCheckingInterval: 500,
  keepAliveTimeout: 620_000,
  maxHeaderSize: MAX_HEADER_BYTES,
  // Checked by us: Node's own answer has no body.
  requireHostHeader: false,
}

/** @param slowestBodyMs - for the gateway, whose bodies may take longer than any other */
export function limitsFor(slowestBodyMs = 0) {
  const slowest = LIMITS.headersTimeout + slowestBodyMs
  return { ...LIMITS, requestTimeout: Math.max(LIMITS.requestTimeout, slowest) }
}

/**
 * Milliseconds in which a client must read some of a whole answer; Node may wait for twice as long. Otherwise
 * connections whose answers nobody reads would stay, with their memory, for as long as the clients like.
 */
const UNREAD_MS = 30_000

/**
 * Connections that may wait to be accepted, as far as the system allows. With Node's 511, many clients at once
 * would lose their first packets, and wait 1, 3 and 7 s before they try again.
 */
const WAITING_CONNECTIONS = 4096

/**
 * Milliseconds in which the rest of a body is thrown away after its answer. The adapter takes as long where the
 * connection stays open.
 */
const REST_MS = 500

/** Milliseconds between two searches for idle connections while the server stops. */
const SWEEP_MS = 50

/**
 * Serves the app. Where Node's parser or Hono's adapter would answer without a body, the answer is an error like the
 * app's own: problem details, or for a call of a backend the ChatKit API's format.
 *
 * @throws the `listen` error, for example `EADDRINUSE`
 */
export async function listen(options: ListenOptions): Promise<Listening> {
  const { bounds = {}, log, onTurnedAway } = options
  const { maxConnections = mostConnections(), slowestBodyMs } = bounds
  const server = createServer(limitsFor(slowestBodyMs))
  // Headers are bounded by size alone. By default Node would silently drop those beyond 2000.
  server.maxHeadersCount = 0
  attach(server, options)
  capConnections(server, { maxConnections, log, onTurnedAway })
  const { host, port, sockets = 1 } = options
  const address = { host, port, backlog: WAITING_CONNECTIONS }
  const listeners = await openListeners(server, address, sockets)
  return { url: urlOf(host, listeners.port), stop: (graceMs) => stop(server, listeners, graceMs) }
}

function attach(server: Server, { app, log, shedding, bounds = {} }: ListenOptions): void {
  const answer = getRequestListener(app.fetch, {
    // Becomes part of the URL of an HTTP/1.0 request without Host; nothing reads it.
    hostname: 'localhost',
    // Errors of the adapter itself, such as a target from which it cannot make a URL.
    errorHandler: (error) => {
      const known = error instanceof RequestError
      if (!known) log.error({ err: error }, 'failed outside the app')
      const problem: BareProblem = known
        ? { code: 'invalid_request', reason: 'not a usable URL' }
        : { code: 'internal_error', reason: 'failed outside the app' }
      const { body, ...init } = bareAnswer(problem, log)
      return new Response(body, init)
    },
  })
  const serve = serveTogether(shedding?.around(answer) ?? answer, log)
  const order = createRequestOrder(serve, () => {
    log.warn('a connection was closed: too many requests were sent without waiting for answers')
  })
  server.on('request', order.take)
  server.on('connection', (socket: Socket) => closeAfterBody(socket, order.awaitsBody))
  // Node's own timer: it starts again with each byte that is read or written.
  server.setTimeout(bounds.unreadMs ?? UNREAD_MS, createCloseUnused(order.isAnswering))
  const refuseExpectation = (_request: IncomingMessage, response: ServerResponse) => {
    writeToResponse(response, { code: 'expectation_failed', reason: 'an Expect header' }, log)
  }
  server.on('checkExpectation', refuseExpectation)
  // Node also calls this for `100-continue` in a list of further expectations.
  server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
    if (request.headers.expect?.toLowerCase() !== '100-continue') {
      return refuseExpectation(request, response)
    }
    response.writeContinue()
    server.emit('request', request, response)
  })
  server.on('connect', (_request: IncomingMessage, socket: Duplex) => {
    writeToSocket(socket, { code: 'method_not_allowed', reason: 'CONNECT' }, log)
  })
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Duplex) => {
    if (error.code === 'ECONNRESET' || !socket.writable) socket.destroy()
    else order.refuse(socket, () => writeToSocket(socket, parserError(error), log))
  })
}

/**
 * Node closes a connection as soon as its last answer is sent. If a body is still arriving then, such as a photo with an
 * expired secret, the system resets the connection, and a proxy tells the page 502 instead of our 401: nginx asks for
 * `Connection: close` by itself. So we end our side, and read on for a moment.
 */
function closeAfterBody(socket: Socket, awaitsBody: (socket: Socket) => boolean): void {
  const close = socket.destroySoon.bind(socket)
  socket.destroySoon = () => {
    socket.destroySoon = close
    if (!awaitsBody(socket)) return close()
    socket.end()
    const cut = setTimeout(() => socket.destroy(), REST_MS)
    socket.once('close', () => clearTimeout(cut))
  }
}

/**
 * Collects the requests that one turn of the event loop reads, and serves them together after it. If they were
 * answered at once, refused clients that do not wait would ask again within the same turn. Since libuv polls
 * again while there is much to read, that turn could last for seconds, in which timers, other connections and
 * mints under way stand still.
 */
function serveTogether(serve: Serve, log: Log): Take {
  let arrived: [IncomingMessage, ServerResponse][] = []

  function serveArrived(): void {
    const all = arrived
    arrived = []
    for (const [request, response] of all) {
      // Only what is left of a body is still taken from this connection: nothing new begins on it.
      if (request.socket.writableEnded) continue
      // The connection ends with this answer in two cases. Node's parser drops what a read brought behind a request with
      // `Upgrade`, so the next read could begin in the middle of a request. And for the rest of the body of a GET, which
      // should have none, the adapter would wait for minutes.
      const { complete, headers, method = '' } = request
      const isLast = headers.upgrade !== undefined || (!complete && /^(?:GET|HEAD)$/.test(method))
      if (isLast) response.shouldKeepAlive = false
      const problem = requestTargetProblem(request)
      if (problem === undefined) void serve(request, response)
      else writeToResponse(response, problem, log)
    }
  }

  return (request, response) => {
    if (arrived.push([request, response]) === 1) setImmediate(serveArrived)
  }
}

function urlOf(host: string, port: number): string {
  const shown = host === '0.0.0.0' || host === '::' ? 'localhost' : host
  return `http://${shown.includes(':') ? `[${shown}]` : shown}:${port}`
}

async function stop(server: Server, listeners: Listeners, graceMs: number): Promise<void> {
  const closed = listeners.close()
  const sweep = setInterval(() => server.closeIdleConnections(), SWEEP_MS)
  const cut = setTimeout(() => server.closeAllConnections(), graceMs)
  await closed
  clearInterval(sweep)
  clearTimeout(cut)
}

/** Advice for a port that cannot be opened, by the system's error code. `HOST` and `PORT` get the prefix. */
const ADVICE: Readonly<Record<string, string>> = {
  EADDRINUSE: '; stop what uses it, or set PORT',
  EACCES: '; ports below 1024 need a privilege: set PORT',
  EMFILE: '; raise the limit on open files (ulimit -n)',
  EADDRNOTAVAIL:
    '; HOST is not an address of this machine: correct it, or set 0.0.0.0 for all addresses',
  ENOTFOUND: '; HOST has no address: correct it, or set 0.0.0.0 for all addresses of this machine',
}

/**
 * Why a port could not be opened, and what to do.
 *
 * @param error - thrown by {@link listen}
 * @param prefix - of the two variables that name the address
 */
export function listenProblem(
  { host, port }: { readonly host: string; readonly port: number },
  error: unknown,
  prefix: '' | 'METRICS_' = '',
): string {
  const code = systemCode(error) ?? 'unknown'
  const advice = ADVICE[code]?.replaceAll(/\b(?:HOST|PORT)\b/g, `${prefix}$&`) ?? ''
  return `cannot listen on ${host}:${port} (${code})${advice}`
}
