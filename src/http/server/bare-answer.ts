// Writes errors without the app, for requests that the HTTP parser or the server refuses.

import { type ServerResponse, STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import { ServiceError } from '../../lib/errors.ts'
import { newId } from '../../lib/ids.ts'
import type { Log } from '../../lib/log.ts'
import { problemAnswer } from '../../respond/problem.ts'
import { EVERY_ANSWER } from '../answer.ts'
import { apiErrorAnswer } from '../backend/api-error.ts'
import { isBackendPath } from '../origins.ts'
import type { BareProblem } from './unusable-requests.ts'

/** Value of `Allow` for a `CONNECT` request, whose target is not a path. */
const SOME_METHODS = 'GET, HEAD, POST, PUT, DELETE, OPTIONS'

/**
 * Answers through Node's response, and closes the connection: after a request that cannot be used, the start of
 * the next one is unknown.
 *
 * @param response - not begun yet
 */
export function writeToResponse(response: ServerResponse, problem: BareProblem, log: Log): void {
  const [path] = response.req.url?.split('?', 1) ?? []
  const { status, headers, body } = bareAnswer(problem, log, path)
  response.writeHead(status, headers)
  response.end(body)
}

/**
 * Answers on the connection itself, because Node gives no response for this request, and closes it.
 *
 * @param socket - still writable
 */
export function writeToSocket(socket: Duplex, problem: BareProblem, log: Log): void {
  const { status, headers, body } = bareAnswer(problem, log)
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join('')}\r\n${body}`)
  // A client that never reads must not keep the connection half open.
  socket.once('finish', () => socket.destroy())
}

/**
 * Makes the whole answer of a refusal below the app, and writes its access-log line.
 *
 * @param path - of a request whose head could be read: calls of backends get the ChatKit API's error format
 */
export function bareAnswer({ code, reason }: BareProblem, log: Log, path = '') {
  const requestId = newId('req_')
  const error = new ServiceError(code, { reason })
  const answer = isBackendPath(path) ? apiErrorAnswer(error) : problemAnswer(error, requestId)
  log.info({ request_id: requestId, status: answer.status, code, reason }, 'request')
  const headers: Record<string, string> = {
    'X-Request-Id': requestId,
    ...EVERY_ANSWER,
    ...answer.headers,
    'Content-Length': String(Buffer.byteLength(answer.body)),
    Connection: 'close',
  }
  if (code === 'method_not_allowed') headers['Allow'] = SOME_METHODS
  return { status: answer.status, headers, body: answer.body }
}
