// The call with which a developer on this machine gets a token from the embedded sign-in. Web pages are refused.

import type { IncomingMessage, ServerResponse } from 'node:http'
import { z } from 'zod'
import { type MadeToken, type TokenMaker, TokenRequestError, tokenRequest } from './token-maker.ts'

export const TOKENS_PATH = '/_embedded/tokens'

const MAX_BODY_BYTES = 64 * 1024

class Refusal extends Error {
  override readonly name = 'Refusal'
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

/**
 * `POST` with a JSON body of `tokenRequest` answers 201 with a token. `Host` is checked by the sign-in
 * for all its paths.
 */
export function createTokenEndpoint(makeToken: TokenMaker) {
  return async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    try {
      refusePages(request)
      answer(response, 201, await makeToken(await readRequest(request)))
    } catch (error) {
      const { status, message } = asRefusal(error)
      if (status === 405) response.setHeader('Allow', 'POST')
      answer(response, status, { error: message })
    }
  }
}

/**
 * Pages of other origins are recognised by `Origin` and `Sec-Fetch-Site`. They also cannot send JSON without a
 * preflight, which is not answered here.
 */
function refusePages({ method, headers }: IncomingMessage): void {
  const { origin, host } = headers
  const site = headers['sec-fetch-site'] ?? 'none'
  const isOwn = origin === undefined || origin === `http://${host}`
  if (!isOwn || (site !== 'none' && site !== 'same-origin')) {
    throw new Refusal(403, 'Pages of other origins get no tokens here.')
  }
  if (method !== 'POST') throw new Refusal(405, 'Ask for a token with POST.')
  if (!/^application\/json(?:;|$)/i.test(headers['content-type'] ?? '')) {
    throw new Refusal(415, 'Send the request as application/json.')
  }
}

async function readRequest(request: IncomingMessage): Promise<z.output<typeof tokenRequest>> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request) {
    size += chunk.length
    if (size <= MAX_BODY_BYTES) chunks.push(chunk)
  }
  if (size > MAX_BODY_BYTES) throw new Refusal(413, 'The request is longer than 64 KiB.')
  return tokenRequest.parse(JSON.parse(Buffer.concat(chunks).toString('utf8')))
}

function asRefusal(error: unknown): Pick<Refusal, 'status' | 'message'> {
  if (error instanceof Refusal) return error
  if (error instanceof TokenRequestError) return { status: 400, message: error.message }
  if (error instanceof z.ZodError) {
    const issues = error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`)
    return { status: 400, message: issues.join('; ') }
  }
  if (error instanceof SyntaxError) return { status: 400, message: 'The request is not JSON.' }
  return { status: 500, message: 'The embedded sign-in failed.' }
}

function answer(response: ServerResponse, status: number, body: MadeToken | object): void {
  response.writeHead(status, {
    'Content-Type': 'application/json',
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
  })
  response.end(JSON.stringify(body))
}
