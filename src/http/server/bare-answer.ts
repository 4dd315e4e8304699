// Writes problem details without the app, for requests that the HTTP parser or the server refuses.
import type { ServerResponse } from 'node:http'
import { STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import { ServiceError } from '../../lib/errors.ts'
import { newId } from '../../lib/ids.ts'
import type { Log } from '../../lib/log.ts'
import { problemAnswer } from '../../respond/problem.ts'
import type { RawProblem } from './unusable-requests.ts'

/** The methods that any path has, for `Allow` where a request has no path of ours. */
const SOME_METHODS = 'GET, HEAD, POST, DELETE, OPTIONS'

/**
 * Answers through Node's response, below the app, and closes the connection: after a request that cannot be
 * parsed, the start of the next one is unknown.
 *
 * @param response - not begun yet
 * @param problem - what is wrong
 * @param log - gets the access-log line
 */
export function writeToResponse(response: ServerResponse, problem: RawProblem, log: Log): void {
  const { status, headers, body } = rawAnswer(problem, log)
  response.writeHead(status, headers)
  response.end(body)
}

/**
 * Answers on the bare connection, where Node has no response to offer, and closes it.
 *
 * @param socket - still writable
 * @param problem - what is wrong
 * @param log - gets the access-log line
 */
export function writeToSocket(socket: Duplex, problem: RawProblem, log: Log): void {
  const { status, headers, body } = rawAnswer(problem, log)
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join('')}\r\n${body}`)
  // The peer may never read: do not keep half a connection for it.
  socket.once('finish', () => socket.destroy())
}

/**
 * The whole answer for a refusal below the app, which also writes its access-log line.
 *
 * @param problem - what is wrong
 * @param log - gets the line
 */
export function rawAnswer({ code, reason }: RawProblem, log: Log) {
  const requestId = newId('req_')
  const answer = problemAnswer(new ServiceError(code, { reason }), requestId)
  log.info({ request_id: requestId, status: answer.status, code, reason }, 'request')
  const headers: Record<string, string> = {
    ...answer.headers,
    'X-Request-Id': requestId,
    'X-Content-Type-Options': 'nosniff',
    'Cache-Control': 'no-store',
    'Content-Length': String(Buffer.byteLength(answer.body)),
    Connection: 'close',
  }
  if (code === 'method_not_allowed') headers['Allow'] = SOME_METHODS
  return { status: answer.status, headers, body: answer.body }
}
