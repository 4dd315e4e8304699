import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { getRequestListener, RequestError } from '@hono/node-server'
import type { Hono } from 'hono'
import type { Log } from '../lib/log.ts'
import type { AppEnv } from './app-env.ts'
import {
  MAX_HEADER_BYTES,
  parserError,
  type RawProblem,
  requestTargetProblem,
} from './below-hono.ts'
import { markAnsweredBelow, rawAnswer, writeToResponse, writeToSocket } from './raw-problem.ts'

/** A server that listens. */
export interface Listening {
  /** With the port it got, when it was asked for any. */
  readonly url: string
  /**
   * Stops taking connections, closes idle ones, and waits until what is in flight is answered.
   *
   * @param graceMs - after which connections are cut
   */
  stop(graceMs: number): Promise<void>
}

/** What {@link listen} needs. */
export interface ListenOptions {
  readonly app: Pick<Hono<AppEnv>, 'fetch'>
  readonly host: string
  /** 0 = any free one. */
  readonly port: number
  readonly log: Log
}

/**
 * Bounds on what a client may take: a slow header ends after 5 s, the slowest body, an upload, after
 * 35 s (Node's own defaults are 60 s and 300 s); the calls themselves bound small bodies further.
 * Keep-alive outlasts the 60 s of common load balancers, because the side that closes an idle
 * connection first must be theirs.
 */
const LIMITS = {
  headersTimeout: 5_000,
  requestTimeout: 35_000,
  connectionsCheckingInterval: 500,
  keepAliveTimeout: 65_000,
  maxHeaderSize: MAX_HEADER_BYTES,
  // Checked by us: Node's own answer has no body.
  requireHostHeader: false,
}

/** While stopping, connections that became idle are looked for this often, in milliseconds. */
const SWEEP_MS = 50

/**
 * Serves the app over HTTP/1.1, and answers below it, in the same problem details, what Node's parser
 * or adapter would answer without a body.
 *
 * @param options - app and address
 * @throws the `listen` error, for example `EADDRINUSE`
 */
export async function listen(options: ListenOptions): Promise<Listening> {
  const server = createServer(LIMITS)
  // Headers are bounded by size alone: beyond Node's default of 2000 it drops them silently.
  server.maxHeadersCount = 0
  attach(server, options)
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(options.port, options.host, () => {
      server.off('error', reject)
      resolve()
    })
  })
  return { url: urlOf(server, options.host), stop: (graceMs) => stop(server, graceMs) }
}

function attach(server: Server, { app, log }: ListenOptions): void {
  const latest = new WeakMap<Duplex, ServerResponse>()
  const serve = getRequestListener(app.fetch, {
    // The adapter's own errors: a target that it cannot make a URL of.
    errorHandler: (error) => {
      const known = error instanceof RequestError
      if (!known) log.error({ err: error }, 'failed outside the app')
      const problem: RawProblem = known
        ? { code: 'invalid_request', reason: 'not a usable URL' }
        : { code: 'internal_error', reason: 'failed outside the app' }
      const { body, ...init } = rawAnswer(problem, log)
      return new Response(body, init)
    },
  })
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    latest.set(request.socket, response)
    const problem = requestTargetProblem(request)
    if (problem === undefined) void serve(request, response)
    else writeToResponse(response, problem, log)
  })
  server.on('checkExpectation', (_request: IncomingMessage, response: ServerResponse) => {
    writeToResponse(response, { code: 'expectation_failed', reason: 'an Expect header' }, log)
  })
  server.on('connect', (_request: IncomingMessage, socket: Duplex) => {
    writeToSocket(socket, { code: 'method_not_allowed', reason: 'CONNECT' }, log)
  })
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Duplex) => {
    const response = latest.get(socket)
    // In the middle of an answer, or on a connection that is gone, nothing sensible can be written.
    if (error.code === 'ECONNRESET' || !socket.writable || hasBegun(response)) {
      socket.destroy()
      return
    }
    if (response?.req.complete === false) markAnsweredBelow(response)
    writeToSocket(socket, parserError(error), log)
  })
}

/** Whether the request at hand has its answer, or part of it, on the wire. */
function hasBegun(response: ServerResponse | undefined): boolean {
  if (response?.headersSent !== true) return false
  return !response.writableFinished || !response.req.complete
}

function urlOf(server: Server, host: string): string {
  const { port } = server.address() as AddressInfo
  const shown = host === '0.0.0.0' || host === '::' ? 'localhost' : host
  return `http://${shown.includes(':') ? `[${shown}]` : shown}:${port}`
}

async function stop(server: Server, graceMs: number): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()))
  const sweep = setInterval(() => server.closeIdleConnections(), SWEEP_MS)
  const cut = setTimeout(() => server.closeAllConnections(), graceMs)
  await closed
  clearInterval(sweep)
  clearTimeout(cut)
}
