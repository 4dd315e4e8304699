import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { listenOnLoopback } from '../../src/embedded/kit/listen.ts'
import { sessionOf } from '../support/chatkit/scripted-upstream.ts'

/** A ChatKit API that only answers creates, and the key set of the identity provider. */
export interface FakeUpstream {
  readonly origin: string
  /** Time that the next creates take, in milliseconds. */
  delayMs: number
  /** Creates answered so far. */
  readonly creates: () => number
  close(): Promise<void>
}

/** Session answer after the four fields that differ. */
const {
  id: _id,
  user: _user,
  client_secret: _secret,
  expires_at: _end,
  ...same
} = sessionOf('', '')
const REST = JSON.stringify(same).slice(1)

/**
 * Starts it in this process. The client secret of each answer ends with the microseconds for which the upstream held
 * the request, so that the measurement can subtract exactly these.
 *
 * @param jwks - public keys for `/jwks.json`
 */
export async function startFakeUpstream(jwks: object): Promise<FakeUpstream> {
  let answered = 0
  const create = (body: string, since: number, response: ServerResponse) => {
    const { user } = JSON.parse(body)
    const answer = () => {
      answered++
      const number = answered.toString(36).padStart(8, '0')
      const heldUs = Math.round((performance.now() - since) * 1000)
      const text = `{"id":"cksess_${number}","client_secret":"ek_${number}_${heldUs}","user":${JSON.stringify(user)},"expires_at":${Math.floor(Date.now() / 1000) + 600},${REST}`
      response.writeHead(200, {
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(text),
        'x-request-id': `req_${number}`,
      })
      response.end(text)
    }
    if (upstream.delayMs === 0) answer()
    else setTimeout(answer, upstream.delayMs)
  }
  const http = createServer({ keepAliveTimeout: 120_000 }, (request, response) => {
    const since = performance.now()
    if (request.url === '/jwks.json') {
      response.setHeader('content-type', 'application/json').end(JSON.stringify(jwks))
    } else if (request.url?.endsWith('/chatkit/sessions')) {
      readText(request, (body) => create(body, since, response))
    } else {
      // A cancel: nothing here should cause one.
      response.writeHead(404).end()
    }
  })
  const { origin, close } = await listenOnLoopback(http)
  const upstream: FakeUpstream = { origin, delayMs: 0, creates: () => answered, close }
  return upstream
}

function readText(request: IncomingMessage, done: (text: string) => void): void {
  let text = ''
  request.setEncoding('utf8')
  request.on('data', (chunk: string) => {
    text += chunk
  })
  request.on('end', () => done(text))
}
