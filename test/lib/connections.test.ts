import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { beforeAll, expect, onTestFinished, test } from 'vitest'
import { connectToAny } from '../../src/lib/connections.ts'
import { makeCertificates } from '../support/registry/certificates.ts'

const certificates = makeCertificates('DNS:localhost')
beforeAll(() => {
  const own = readFileSync(certificates.authority, 'utf8')
  setDefaultCACertificates([...getCACertificates('default'), own])
})

/** The end of the connection is the end of this answer (RFC 9112 §6.3). */
function begin(_request: IncomingMessage, response: ServerResponse): void {
  response.useChunkedEncodingByDefault = false
  response.writeHead(200, { connection: 'close' }).write('begun')
}

/** Listens for the running test. `sockets`: its TCP connections. */
async function listen(server: Server) {
  const sockets: Socket[] = []
  server.on('connection', (socket: Socket) => sockets.push(socket))
  server.listen(0, 'localhost')
  await once(server, 'listening')
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return { port: (server.address() as AddressInfo).port, sockets }
}

const secureServer = () =>
  createTlsServer(
    { key: readFileSync(certificates.server.key), cert: readFileSync(certificates.server.cert) },
    begin,
  )

/** Answers plain requests itself, and opens tunnels. */
function proxyServer(): Server {
  return createServer(begin).on('connect', ({ url }: IncomingMessage, socket: Socket) => {
    const behind = connect(Number(url?.split(':')[1]), 'localhost', () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n')
      socket.pipe(behind).pipe(socket)
    })
    for (const end of [socket, behind]) end.on('error', () => undefined)
  })
}

test.each([
  ['http', 'directly'],
  ['https', 'directly'],
  ['http', 'through a proxy'],
  ['https', 'through a proxy'],
])(
  'an answer without length over %s, %s, fails when its connection is reset',
  async (scheme, way) => {
    const server = await listen(scheme === 'http' ? createServer(begin) : secureServer())
    const proxy = way === 'directly' ? undefined : await listen(proxyServer())
    const outbound = proxy && { origin: `http://localhost:${proxy.port}`, authorization: undefined }
    const dispatcher = connectToAny(() => outbound, { allowH2: false })
    onTestFinished(() => dispatcher.destroy())
    const origin = `${scheme}://localhost:${server.port}`
    const { body } = await dispatcher.request({ origin, path: '/', method: 'GET' })
    const chunks = body[Symbol.asyncIterator]()
    expect(String((await chunks.next()).value)).toBe('begun')
    for (const socket of (proxy ?? server).sockets) socket.resetAndDestroy()
    await expect(chunks.next()).rejects.toThrow('ECONNRESET')
  },
)
