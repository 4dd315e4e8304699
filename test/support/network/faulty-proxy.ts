import { createServer, type Socket } from 'node:net'
import { listenOnLoopback } from '../../../src/embedded/kit/listen.ts'

const HTML = '<!doctype html><title>Blocked</title><p>Ask your administrator.'

/** An answer with a page, as proxies and filters give it. */
export function proxyPage(status: string, headers = ''): string {
  return `HTTP/1.1 ${status}\r\n${headers}content-type: text/html\r\ncontent-length: ${HTML.length}\r\n\r\n${HTML}`
}

/** A proxy that connects nobody: it gives every client the same answer, and closes. */
export async function startFaultyProxy() {
  const sockets = new Set<Socket>()
  const state = {
    port: 0,
    /** Empty: no answer. Undefined: it does not even close the connection. */
    answer: '' as string | undefined,
    /** First lines of requests. */
    asked: [] as string[],
  }
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.on('data', (bytes) => {
      // All later bytes in a tunnel are TLS.
      const [line] = /^[A-Z]+ .+ HTTP/.exec(String(bytes)) ?? []
      if (line !== undefined) state.asked.push(line)
      if (state.answer !== undefined) socket.end(state.answer)
    })
  })
  const { port } = await listenOnLoopback(server)
  const cut = () => {
    for (const socket of sockets) socket.destroy()
  }
  return Object.assign(state, {
    port,
    /** Cuts open connections, so that no call waits for an older answer. */
    reset() {
      cut()
      state.asked = []
    },
    close() {
      cut()
      server.close()
    },
  })
}
