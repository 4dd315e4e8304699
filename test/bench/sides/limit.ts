import { createServer, type ServerResponse } from 'node:http'
import { Agent, Pool } from 'undici'
import { CREATE_HEADERS, createBody, settings } from './settings.ts'
import { verifiedSubject } from './verify.ts'

// The least that a mint on Node can cost: no framework, no store, no log, nothing checked. With
// REMEMBER=yes a token is verified once, and after that it is a key of a Map.

const { origin, pathname } = new URL(settings.baseUrl)
const pool = new Pool(origin, { connections: 256 })
const streams = new Agent({ headersTimeout: 0, bodyTimeout: 0 })
const remember = process.env['REMEMBER'] === 'yes'
const known = new Map<string, string>()

async function subjectOf(token: string): Promise<string> {
  const remembered = known.get(token)
  if (remembered !== undefined) return remembered
  const subject = await verifiedSubject(token)
  if (remember) known.set(token, subject)
  return subject
}

async function mint(authorization: string, response: ServerResponse): Promise<void> {
  const user = await subjectOf(authorization.slice(7))
  const { body } = await pool.request({
    method: 'POST',
    path: `${pathname}/chatkit/sessions`,
    headers: CREATE_HEADERS,
    body: createBody(user),
  })
  const { client_secret } = JSON.parse(await body.text())
  const text = JSON.stringify({ client_secret })
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': text.length })
  response.end(text)
}

/** The least that a stream through Node can cost. */
async function pipe(response: ServerResponse): Promise<void> {
  const { origin, pathname: path } = new URL(process.env['CHATKIT_SERVER'] ?? '')
  const { body } = await streams.request({ origin, path, method: 'POST', body: '{}' })
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  body.on('error', () => response.destroy()).pipe(response)
  response.on('close', () => body.destroy())
}

createServer((request, response) => {
  if (request.url === '/chatkit/helpdesk') {
    request.resume()
    pipe(response).catch(() => response.destroy())
    return
  }
  mint(request.headers.authorization ?? '', response).catch(() => response.writeHead(500).end())
}).listen(settings.port, '127.0.0.1')
