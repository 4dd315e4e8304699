// Waits on loopback for the browser that comes back from the identity provider (RFC 8252 §7.3). It does not check the
// provider's answer.

import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import { systemCode } from '../../../lib/errors.ts'
import { CommandError, EXIT } from '../exit.ts'

/** The browser that came back. */
interface Callback {
  readonly url: URL
  /** Shows the page that ends the sign-in. */
  readonly answer: (text: string, status?: number) => Promise<void>
}

const PATH = '/callback'

/**
 * Listens at `http://127.0.0.1:PORT/callback`. Only the first request with the right `state` counts as the
 * callback, because any page can call this address.
 *
 * @param port - 0 for a free one
 * @throws {@link CommandError} when the port is taken
 */
export async function listenForCallback(state: string, port: number, signal: AbortSignal) {
  const { promise: arrived, resolve, reject } = Promise.withResolvers<Callback>()
  // Handled here too, because the listener may fail before anyone waits.
  arrived.catch(() => undefined)
  let done = false
  const server = createServer(({ method, url: target = '/', headers }, response) => {
    const refuse = (status: number, text: string) => void show(response, text, status)
    const url = URL.parse(target, redirectUri())
    // Refuses other host names, which DNS rebinding could point at loopback.
    if (url?.origin !== origin() || headers.host !== url.host) {
      refuse(400, 'This address is for chatkit-mint login only.')
    } else if (method !== 'GET' || url.pathname !== PATH) {
      refuse(404, 'Nothing is here.')
    } else if (url.searchParams.getAll('state').join() !== state) {
      refuse(400, 'This is not the sign-in that chatkit-mint login waits for.')
    } else if (done) {
      refuse(409, 'This sign-in came back before. Look at the terminal.')
    } else {
      done = true
      resolve({ url, answer: (text, status = 200) => show(response, text, status) })
    }
  })
  function origin(): string {
    const bound = server.address()
    return `http://127.0.0.1:${typeof bound === 'object' ? bound?.port : ''}`
  }
  function redirectUri(): string {
    return origin() + PATH
  }
  server.listen({ host: '127.0.0.1', port })
  await once(server, 'listening').catch((error) => {
    throw portTaken(port, error)
  })
  signal.addEventListener('abort', () => reject(signal.reason))
  return {
    redirectUri: redirectUri(),
    arrived,
    close() {
      server.close()
      server.closeAllConnections()
    },
  }
}

/**
 * Resolves when the page is sent, or the browser is gone. The page runs no script, and its address, which holds
 * the code, is sent to no other site.
 */
async function show(response: ServerResponse, text: string, status: number): Promise<void> {
  response.writeHead(status, {
    'content-type': 'text/html; charset=utf-8',
    'content-security-policy': "default-src 'none'; frame-ancestors 'none'; base-uri 'none'",
    'cache-control': 'no-store',
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
    connection: 'close',
  })
  const page = `<!doctype html><html lang="en"><title>chatkit-mint login</title><h1>chatkit-mint login</h1><p>${text}</p></html>\n`
  const { promise, resolve } = Promise.withResolvers<void>()
  response.once('close', resolve).end(page)
  await promise
}

function portTaken(port: number, error: unknown): CommandError {
  const code = systemCode(error) ?? 'unknown error'
  return new CommandError(
    EXIT.ioError,
    `cannot listen on port ${port} of this machine (${code}); give another with --port, or none for a free one.`,
  )
}
