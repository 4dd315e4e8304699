import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { connect, createServer as createNetServer, type Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Listeners, openListeners } from '../../../src/http/server/listeners.ts'

const HERE = { host: '127.0.0.1', port: 0, backlog: 511 }

let server: Server
let listeners: Listeners | undefined
let clients: Socket[]
beforeEach(() => {
  server = createServer((_request, response) => response.end('here'))
  clients = []
})
afterEach(async () => {
  for (const client of clients) client.destroy()
  await listeners?.close()
  listeners = undefined
})

/** Opens `count` connections at once; gives the most that one turn of the event loop accepts. */
async function mostInOneTurn(count: number, sockets: number): Promise<number> {
  listeners = await openListeners(server, HERE, sockets)
  let taken = 0
  server.on('connection', () => taken++)
  const { port } = listeners
  for (let at = 0; at < count; at++) clients.push(connect(port, '127.0.0.1'))
  let most = 0
  for (let before = 0; taken < count; before = taken) {
    await new Promise((resolve) => setImmediate(resolve))
    most = Math.max(most, taken - before)
  }
  return most
}

describe.runIf(process.platform === 'linux')('several sockets', () => {
  test('take several connections at one turn of the event loop', async () => {
    expect(await mostInOneTurn(200, 8)).toBeGreaterThan(2)
  })

  test('serve HTTP on each connection', async () => {
    listeners = await openListeners(server, HERE, 8)
    const url = `http://127.0.0.1:${listeners.port}/`
    const asked = Array.from({ length: 40 }, async () => {
      const response = await fetch(url, { headers: { connection: 'close' } })
      return response.text()
    })
    expect(new Set(await Promise.all(asked))).toEqual(new Set(['here']))
  })

  test.each([1, 8])(
    'a port that is taken by %i is refused, and so is it afterwards',
    async (sockets) => {
      listeners = await openListeners(server, HERE, sockets)
      const taken = { ...HERE, port: listeners.port }
      await expect(openListeners(createServer(), taken, 8)).rejects.toMatchObject({
        code: 'EADDRINUSE',
      })
      await expect(openListeners(createServer(), taken, 1)).rejects.toMatchObject({
        code: 'EADDRINUSE',
      })
    },
  )

  test('close together, and wait for the connections that they have accepted', async () => {
    listeners = await openListeners(server, HERE, 8)
    const { port } = listeners
    let asked = 0
    server.removeAllListeners('request').on('request', () => asked++)
    for (let at = 0; at < 20; at++) {
      const client = connect(port, '127.0.0.1')
      client.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
      clients.push(client)
    }
    await expect.poll(() => asked).toBe(20)
    let closed = false
    const closing = listeners.close().then(() => {
      closed = true
    })
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(closed).toBe(false)
    server.closeAllConnections()
    await closing
    const again = createNetServer().listen(port, '127.0.0.1')
    await once(again, 'listening')
    again.close()
  })
})

test('connections that wait to be accepted when the sockets close are answered', async () => {
  listeners = await openListeners(server, HERE, 1)
  const { port } = listeners
  const answers = Array.from({ length: 5 }, async () => {
    const client = connect(port, '127.0.0.1')
    clients.push(client)
    client.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
    return String(await once(client, 'data'))
  })
  // Node asks the system to connect in the next tick. The server accepts in a later phase of the event loop.
  await new Promise<void>((resolve) => process.nextTick(resolve))
  await listeners.close()
  for (const answer of await Promise.all(answers)) expect(answer).toContain('200 OK')
})

test('one socket accepts one connection a turn, which is why there are several', async () => {
  expect(await mostInOneTurn(200, 1)).toBeLessThan(3)
})
