// Finds requests that the app must not see: their head is wrong, or Node's parser cannot read them. Keeps the order
// of requests and refusals on each connection.

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { ErrorCode } from '../../lib/errors.ts'

/** A refusal made before the app sees the request. */
export interface BareProblem {
  readonly code: ErrorCode
  /** For the log. */
  readonly reason: string
}

/** RFC 9110 §7.2, narrowed to the characters of host names and addresses; no client sends an empty port (`mint.test:`). */
const HOST = /^(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?$/
/** RFC 9112 §3.2.2: a target with scheme and host, as clients send it to a proxy. */
const ABSOLUTE = /^https?:\/\/([^/?#]*)(.*)$/i
/** A segment that a URL parser would remove: a proxy would then check another path than the one that we serve. */
const DOT_SEGMENT = /(?:^|\/)(?:\.|%2e){1,2}(?:\/|$)/i

/** The host that passed last: nearly all requests of a service name the same one. */
let usualHost = ''

/** Most bytes of all header fields together. Node's own limit ignores the four bytes around each value. */
export const MAX_HEADER_BYTES = 16 * 1024

/**
 * The problem of a request that is refused before routing: headers too long, another version of HTTP, no `Host` or
 * several, a malformed host, a transfer coding other than chunked or in HTTP/1.0, a target that is neither a path nor an
 * absolute URL, a fragment, dot segments, backslashes. An absolute URL is replaced by its path.
 */
export function requestTargetProblem(request: IncomingMessage): BareProblem | undefined {
  const raw = request.rawHeaders
  // On the wire: `name: value`, and the line end.
  let headerBytes = 0
  for (let at = 0; at < raw.length; at += 2) {
    headerBytes += (raw[at]?.length ?? 0) + (raw[at + 1]?.length ?? 0) + 4
  }
  if (headerBytes > MAX_HEADER_BYTES) {
    return { code: 'headers_too_large', reason: 'many short headers' }
  }
  // Node's parser lets 0.9 and 2.0 pass, which no request on this connection can be.
  if (!/^1\.[01]$/.test(request.httpVersion)) return invalid('a version that is not 1.0 or 1.1')
  const hosts = countHeader(request, 'host')
  // HAProxy's health check is HTTP/1.0, in which Host does not exist (RFC 1945).
  const withoutHost = hosts === 0 && request.httpVersion === '1.0'
  if (hosts !== 1 && !withoutHost) return invalid(`${hosts} Host headers`)
  if (!withoutHost && !HOST.test(request.headers.host ?? ''))
    return invalid('a Host that is no host')
  // Node takes `gzip, chunked` for chunked. Whoever reads the message as written would see another body.
  // In HTTP/1.0, which has none (RFC 9112 §6.1), an old proxy would take the body for the next request.
  const coding = request.headers['transfer-encoding']?.toLowerCase()
  if (coding !== undefined && (coding !== 'chunked' || request.httpVersion === '1.0')) {
    return invalid('a transfer coding other than chunked, or in HTTP/1.0')
  }
  if (!request.url?.startsWith('/') && !takeAbsoluteTarget(request)) {
    return invalid('a request target that is not a path')
  }
  const { host = 'localhost' } = request.headers
  // The adapter lets in names that no URL can have, such as `1.2.3.256`; to read the URL of such a request throws.
  if (host !== usualHost && !URL.canParse(`http://${host}`)) {
    return invalid('a Host that no URL can have')
  }
  usualHost = host
  const target = request.url ?? ''
  // Nearly all targets have none of the characters that could be wrong.
  if (!/[#.%\\]/.test(target)) return undefined
  // RFC 9112 §3.2.1: a target has no fragment. A proxy that cuts it off would check another path than we serve.
  if (target.includes('#')) return invalid('a fragment in the request target')
  const path = target.split('?', 1)[0] ?? ''
  if (DOT_SEGMENT.test(path) || path.includes('\\')) return invalid('dot segments in the path')
  return undefined
}

/**
 * Makes a path of an absolute URL, and its host the `Host` (RFC 9112 §3.2.2: the received one must be ignored).
 *
 * @returns false when the target is no absolute http URL, or its host is no host
 */
function takeAbsoluteTarget(request: IncomingMessage): boolean {
  const [, host, rest = ''] = ABSOLUTE.exec(request.url ?? '') ?? []
  if (host === undefined || !HOST.test(host)) return false
  request.headers.host = host
  const at = request.rawHeaders.findIndex(
    (name, index) => index % 2 === 0 && name.toLowerCase() === 'host',
  )
  if (at >= 0) request.rawHeaders[at + 1] = host
  request.url = rest.startsWith('/') ? rest : `/${rest}`
  return true
}

/**
 * The problem for an error of Node's HTTP parser.
 *
 * @param error - as `clientError` gives it
 */
export function parserError(error: NodeJS.ErrnoException): BareProblem {
  const code = error.code ?? 'unknown'
  if (code === 'HPE_HEADER_OVERFLOW') return { code: 'headers_too_large', reason: code }
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return { code: 'request_timeout', reason: code }
  return invalid(code)
}

/**
 * Number of headers of this name. Node and the adapter join or drop repeated ones; only the raw list shows
 * them.
 *
 * @param name - in lower case
 */
export function countHeader({ rawHeaders: raw }: IncomingMessage, name: string): number {
  let count = 0
  for (let at = 0; at < raw.length; at += 2) {
    if (raw[at]?.length === name.length && raw[at]?.toLowerCase() === name) count++
  }
  return count
}

function invalid(reason: string): BareProblem {
  return { code: 'invalid_request', reason }
}

/**
 * Answers that the app may still try to write, although their request has been answered and logged below the app: its
 * body was not HTTP, or did not come.
 */
export const answeredBelow = new WeakSet<object>()

export type Take = (request: IncomingMessage, response: ServerResponse) => void

/** While so many requests of a connection wait for the answers to those before them, nothing more is read from it. */
const MOST_WAITING = 16
/**
 * The most requests that wait on all connections. A single read can bring 2,400 of them, and each takes about 2 kB.
 */
const MOST_WAITING_IN_ALL = 10_000

/**
 * Keeps the order of requests and answers on each connection. A client may send requests without waiting for answers
 * (RFC 9112 §9.3.2). They are served one after the other: all at once, a few connections with nothing but requests
 * would take up the process and its memory.
 *
 * @param serve - called once for each request, when those before it on its connection are answered
 * @param onTooMany - called when a connection is closed because too many requests wait
 */
export function createRequestOrder(serve: Take, onTooMany: () => void) {
  const connections = new WeakMap<Duplex, Answers>()
  /** The parser reports again with each further packet. */
  const refused = new WeakSet<Duplex>()
  let waitingInAll = 0

  function wait(known: Answers, request: IncomingMessage, response: ServerResponse): void {
    const { socket } = request
    if (socket.destroyed) return
    if (waitingInAll >= MOST_WAITING_IN_ALL) {
      socket.destroy()
      onTooMany()
      return
    }
    waitingInAll++
    const count = known.waiting.push([request, response])
    if (count === 1) known.before?.once('close', () => serveNext(known, socket))
    if (count >= MOST_WAITING) socket.pause()
  }

  function serveNext(known: Answers, socket: Duplex): void {
    const [next, ...others] = socket.writable ? known.waiting : []
    waitingInAll += others.length - known.waiting.length
    known.waiting = others
    if (next === undefined) return
    if (others.length > 0) next[1].once('close', () => serveNext(known, socket))
    if (others.length === MOST_WAITING - 1) socket.resume()
    known.served = next[1]
    serve(...next)
  }

  return {
    /** Takes each request as it arrives. */
    take(request: IncomingMessage, response: ServerResponse): void {
      const { socket } = request
      const known = connections.get(socket)
      const before = known?.latest.writableFinished === false ? known.latest : undefined
      if (known !== undefined && before !== undefined) {
        wait(Object.assign(known, { before, latest: response }), request, response)
        return
      }
      connections.set(socket, { latest: response, served: response, before, waiting: [] })
      serve(request, response)
    },
    /** Whether the body of the latest request has not arrived whole. */
    awaitsBody: (socket: Duplex) => connections.get(socket)?.latest.req.complete === false,
    /** Whether the app still works on an answer of the connection. */
    isAnswering: (socket: Duplex) => connections.get(socket)?.served.writableEnded === false,
    /**
     * Refuses a request that Node's parser could not read, after the answers to those before it. A refusal that goes
     * out at once would be taken for the answer to an earlier request.
     *
     * @param write - writes the refusal and closes the connection; called at most once
     */
    refuse(socket: Duplex, write: () => void): void {
      if (refused.has(socket)) return
      refused.add(socket)
      const { latest, before } = connections.get(socket) ?? {}
      // The error is in the body of a request that has arrived, or in the head of the one after it.
      const inBody = latest?.req.complete === false
      const writeOrCut = () => {
        // In the middle of an answer, a refusal would become part of its body.
        if (!socket.writable || (inBody && latest.headersSent)) socket.destroy()
        else {
          if (inBody) answeredBelow.add(latest)
          write()
        }
      }
      const awaited = inBody ? before : latest
      if (awaited === undefined || awaited.writableFinished) writeOrCut()
      else awaited.once('finish', writeOrCut)
    },
  }
}

/** The answers of one connection that may be unfinished. */
interface Answers {
  latest: ServerResponse
  /** The one that the app makes, or that the client still reads. */
  served: ServerResponse
  /** The answer before the latest; undefined when it was finished before the latest request came. */
  before: ServerResponse | undefined
  /** Requests that wait for the answers to those before them; the oldest is first. */
  waiting: [IncomingMessage, ServerResponse][]
}
