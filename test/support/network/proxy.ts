import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { connect, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { createServer as createSecureServer } from 'node:tls'
import { listenOnLoopback } from '../../../src/embedded/kit/listen.ts'

/** User and password that the proxy asks for. */
export const CREDENTIALS = 'mint:planted-password'

/** A request as one of the servers behind the proxy got it. */
export interface Arrived {
  /** `https://api.corp.test` */
  readonly origin: string
  readonly line: string
  readonly userAgent: string | undefined
}

/**
 * A proxy that alone can reach some hosts: no DNS knows their names, and the proxy connects to servers on loopback
 * instead. Https is opened there with a certificate of the test's own authority.
 *
 * @param hosts - by name, the loopback origin that stands behind it
 * @param server - key and certificate for all those names
 */
export async function startProxy(
  hosts: Readonly<Record<string, () => string>>,
  server: { readonly key: string; readonly cert: string },
) {
  const asked: string[] = []
  const agents = new Set<string | undefined>()
  const arrived: Arrived[] = []
  const sockets = new Set<Socket>()
  const backend = (origin: string, incoming: IncomingMessage, answer: ServerResponse) =>
    void passOn({ to: hosts[new URL(origin).hostname]?.(), origin, arrived }, incoming, answer)

  const tls = { key: readFileSync(server.key), cert: readFileSync(server.cert) }
  const secure = createTlsServer(tls, (incoming, answer) =>
    backend(`https://${incoming.headers.host}`, incoming, answer),
  )
  const proxy = createServer((incoming, answer) => {
    asked.push(`${incoming.method} ${incoming.url}`)
    if (!isAllowed(incoming)) return void answer.writeHead(407).end('who are you?')
    backend(new URL(incoming.url ?? '').origin, incoming, answer)
  })
  proxy.on('connect', (incoming, socket: Socket) => {
    asked.push(`CONNECT ${incoming.url}`)
    agents.add(incoming.headers['user-agent'])
    socket.on('error', () => undefined)
    const [name = ''] = (incoming.url ?? '').split(':')
    if (!isAllowed(incoming)) socket.end('HTTP/1.1 407 Who Are You\r\n\r\n')
    else if (hosts[name] === undefined) socket.end('HTTP/1.1 403 Forbidden\r\n\r\n')
    else tunnel(socket, inside.port)
  })
  // The same proxy, behind TLS.
  const secureProxy = createSecureServer(tls, (socket) => proxy.emit('connection', socket))
  for (const one of [proxy, secure, secureProxy]) {
    one.on('connection', (socket: Socket) => sockets.add(socket))
  }
  const inside = await listenOnLoopback(secure)
  const { origin: url, port } = await listenOnLoopback(proxy)
  const overTls = await listenOnLoopback(secureProxy)
  return {
    /** `http://127.0.0.1:3128` */
    url,
    /** The same with {@link CREDENTIALS}. */
    urlWithCredentials: `http://${CREDENTIALS}@127.0.0.1:${port}`,
    /** The same over TLS. */
    secureUrlWithCredentials: `https://${CREDENTIALS}@127.0.0.1:${overTls.port}`,
    ...{ asked, agents, arrived },
    close() {
      for (const socket of sockets) socket.destroy()
      proxy.close()
      secure.close()
      secureProxy.close()
    },
  }
}

function tunnel(socket: Socket, port: number): void {
  const inside = connect(port, '127.0.0.1')
  inside.on('error', () => socket.destroy()).on('close', () => socket.destroy())
  socket.on('close', () => inside.destroy())
  socket.write('HTTP/1.1 200 Connection Established\r\n\r\n')
  socket.pipe(inside).pipe(socket)
}

function isAllowed({ headers }: IncomingMessage): boolean {
  const pair = Buffer.from(CREDENTIALS).toString('base64')
  return headers['proxy-authorization'] === `Basic ${pair}`
}

/** The embedded servers know only their loopback names, so addresses in answers are replaced. */
async function passOn(
  { to, origin, arrived }: { to: string | undefined; origin: string; arrived: Arrived[] },
  incoming: IncomingMessage,
  answer: ServerResponse,
): Promise<void> {
  if (to === undefined) return void answer.writeHead(502).end()
  const { method, url = '', headers } = incoming
  const path = url.startsWith('/') ? url : url.slice(origin.length)
  arrived.push({ origin, line: `${method} ${path}`, userAgent: headers['user-agent'] })
  const { 'proxy-authorization': _ours, host: _name, ...rest } = headers
  const onward = request(to + path, { method, headers: { ...rest, host: new URL(to).host } })
  incoming.pipe(onward)
  onward.on('error', () => answer.destroy())
  const [reply] = (await once(onward, 'response')) as [IncomingMessage]
  const { 'content-length': _length, ...shown } = reply.headers
  answer.writeHead(reply.statusCode ?? 502, shown)
  if (reply.headers['content-type'] !== 'application/json') return void reply.pipe(answer)
  answer.end((await text(reply)).replaceAll(to, origin))
}
