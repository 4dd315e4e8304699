import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http'

/** One whole answer, as it left a server of this process. */
export interface AnswerOnTheWire {
  readonly method: string
  /** As in the request line. */
  readonly target: string
  readonly status: number
  /** By name in lower case. */
  readonly headers: Readonly<Record<string, string>>
  /** Empty for event streams, which are not collected. */
  readonly body: string
}

const CHANNEL = 'http.server.request.start'

interface RequestStart {
  readonly request: IncomingMessage
  readonly response: ServerResponse
}

/**
 * Records every answer of one server in this process, for any client, without changing the answer. Answers that break
 * off are left out.
 *
 * @param onAnswer - called when an answer is complete
 * @returns `listenTo` names the server's port, once there is one; `stop` ends it
 */
export function hearAnswers(onAnswer: (answer: AnswerOnTheWire) => void) {
  let port: number | undefined
  const onRequest = (message: unknown) => {
    const { request, response } = message as RequestStart
    if (port !== undefined && request.socket.localPort === port) hear(request, response, onAnswer)
  }
  subscribe(CHANNEL, onRequest)
  return {
    listenTo: (url: string) => {
      port = Number(new URL(url).port)
    },
    stop: () => {
      unsubscribe(CHANNEL, onRequest)
    },
  }
}

function hear(
  request: IncomingMessage,
  response: ServerResponse,
  onAnswer: (answer: AnswerOnTheWire) => void,
): void {
  const chunks: Buffer[] = []
  let head: OutgoingHttpHeaders = {}
  const { write, end, writeHead } = response
  const keep = (chunk: unknown) => {
    if (String(head['content-type']).startsWith('text/event-stream')) return
    if (typeof chunk === 'string') chunks.push(Buffer.from(chunk))
    else if (chunk instanceof Uint8Array) chunks.push(Buffer.from(chunk))
  }
  // Called by Node itself when nobody else does.
  response.writeHead = ((...parts: unknown[]) => {
    head = { ...headersOf(response.getHeaders()), ...headersOf(parts.at(-1)) }
    return Reflect.apply(writeHead, response, parts)
  }) as typeof writeHead
  response.write = ((...parts: unknown[]) => {
    const going = Reflect.apply(write, response, parts)
    keep(parts[0])
    return going
  }) as typeof write
  response.end = ((...parts: unknown[]) => {
    const ended = Reflect.apply(end, response, parts)
    keep(parts[0])
    return ended
  }) as typeof end
  response.once('finish', () => {
    const { method = '', url: target = '' } = request
    const headers = Object.fromEntries(
      Object.entries(head).map(([name, value]) => [name, String(value)]),
    )
    const body = Buffer.concat(chunks).toString()
    onAnswer({ method, target, status: response.statusCode, headers, body })
  })
}

/** In the forms in which `writeHead` takes them. */
function headersOf(given: unknown): OutgoingHttpHeaders {
  if (typeof given !== 'object' || given === null) return {}
  const pairs = Array.isArray(given) ? pairsOf(given) : Object.entries(given)
  return Object.fromEntries(pairs.map(([name, value]) => [String(name).toLowerCase(), value]))
}

/** Names and values in turn, or pairs of them. */
function pairsOf(list: readonly unknown[]): (readonly [unknown, unknown])[] {
  if (Array.isArray(list[0])) return list as [unknown, unknown][]
  return list.flatMap((name, at) => (at % 2 === 0 ? [[name, list[at + 1]] as const] : []))
}
