import { once } from 'node:events'
import { connect } from 'node:net'
import { setTimeout } from 'node:timers/promises'
import { beforeEach, expect, test } from 'vitest'
import { expectProblem } from '../../support/problem-answer.ts'
import { openRaw, rawRequest } from '../../support/raw-http.ts'
import { startService, tokenFor } from '../../support/running-service.ts'
import { forAllTests } from '../../support/started.ts'

// Several requests on one connection: no byte of one may be read as part of another.

const running = forAllTests(() => startService())
beforeEach(() => {
  running.upstream.clearRequests()
  running.upstream.setFaults({})
})

const JSON_TYPE = 'Content-Type: application/json'
const authorization = (sub: string) => `Authorization: Bearer ${tokenFor(sub)}`
const users = () => running.upstream.requests().map(({ body }) => (body as { user: string }).user)

test('pipelined requests are answered in their order', async () => {
  const connection = await openRaw(running.url)
  connection.send(
    Buffer.concat([
      rawRequest('POST /v1/sessions', { headers: [authorization('alice')] }),
      rawRequest('GET /livez'),
      rawRequest('POST /v1/sessions', { headers: [authorization('bob'), JSON_TYPE], body: '{}' }),
      rawRequest('GET /nowhere'),
    ]),
  )
  expect((await connection.next()).json()).toHaveProperty('client_secret')
  expect((await connection.next()).json()).toEqual({ status: 'live' })
  expect((await connection.next()).json()).toHaveProperty('client_secret')
  expectProblem(await connection.next(), 404, 'not_found')
  expect(users().sort()).toEqual(['alice', 'bob'])
  connection.destroy()
})

test.each(['websocket', 'h2c'])(
  'a request with Upgrade: %s is the last one of its connection, and no body behind it is served',
  async (protocol) => {
    const connection = await openRaw(running.url)
    const upgrade = ['Connection: Upgrade', `Upgrade: ${protocol}`]
    const hidden = rawRequest('POST /v1/sessions', { headers: [authorization('alice')] })
    const head = `Host: a.test\r\n${JSON_TYPE}\r\nContent-Length: ${hidden.length}\r\n\r\n`
    connection.send(
      Buffer.concat([
        rawRequest('GET /livez', { headers: upgrade }),
        Buffer.from(`POST /nowhere HTTP/1.1\r\n${head}`),
      ]),
    )
    const { headers } = await connection.next()
    connection.send(hidden)
    expect(headers).toMatchObject({ connection: 'close' })
    await connection.closed
    expect(users()).toEqual([])
  },
)

test('a POST whose body arrives after its head keeps its connection', async () => {
  const connection = await openRaw(running.url)
  const mint = rawRequest('POST /v1/sessions', {
    headers: [authorization('alice'), JSON_TYPE],
    body: '{}',
  })
  for (let at = 0; at < 2; at++) {
    connection.send(mint.subarray(0, -2))
    await setTimeout(50)
    connection.send(mint.subarray(-2))
    expect((await connection.next()).json()).toHaveProperty('client_secret')
  }
  connection.destroy()
})

test('requests that are sent at once are served one at a time', async () => {
  running.upstream.setFaults({ latency_ms: 1000, times: 1 })
  const connection = await openRaw(running.url)
  const mint = rawRequest('POST /v1/sessions', { headers: [authorization('alice')] })
  connection.send(Buffer.concat(Array.from({ length: 20 }, () => mint)))
  await expect.poll(() => users()).toHaveLength(1)
  await setTimeout(100)
  expect(users()).toHaveLength(1)
  for (let count = 0; count < 20; count++) {
    expect((await connection.next()).json()).toHaveProperty('client_secret')
  }
  expect(users()).toHaveLength(20)
  connection.destroy()
})

test('thousands of requests sent at once are all answered', async () => {
  const connection = await openRaw(running.url)
  const many = Array.from({ length: 3000 }, (_, at) =>
    rawRequest(at % 2 === 0 ? 'GET /livez' : 'GET /nowhere'),
  )
  connection.send(Buffer.concat(many))
  for (let at = 0; at < many.length; at++) {
    expect((await connection.next()).status).toBe(at % 2 === 0 ? 200 : 404)
  }
  connection.destroy()
})

test('connections are closed when too many requests wait on all of them, others are served', async () => {
  running.upstream.setFaults({ hang: true })
  const mint = rawRequest('POST /v1/sessions', { headers: [authorization('alice')] })
  const short = Buffer.from('GET / HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(2000))
  const connections = await Promise.all(Array.from({ length: 30 }, () => openRaw(running.url)))
  let closed = 0
  for (const connection of connections) {
    void connection.closed.then(() => closed++)
    connection.send(Buffer.concat([mint, short]))
  }
  await expect.poll(() => closed).toBeGreaterThan(0)
  expect((await fetch(`${running.url}/livez`)).status).toBe(200)
  expect(running.logText()).toContain('too many requests were sent without waiting for answers')
  for (const connection of connections) connection.destroy()
  await Promise.all(connections.map((connection) => connection.closed))
  // A waiting request is dropped with its connection.
  const next = await openRaw(running.url)
  next.send(short)
  for (let count = 0; count < 2000; count++) expect((await next.next()).status).toBe(404)
  next.destroy()
})

test.each([
  ['the head of the next', 'GET /livez HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n'],
  ['no HTTP at all', 'HELLO\r\n\r\n'],
  [
    'the body of the next',
    `POST /v1/sessions HTTP/1.1\r\nHost: a\r\n${authorization('bob')}\r\nTransfer-Encoding: chunked\r\n${JSON_TYPE}\r\n\r\nzz\r\n`,
  ],
])('a request is answered before the one behind it is refused for %s', async (_name, broken) => {
  const connection = await openRaw(running.url)
  const good = rawRequest('POST /v1/sessions', { headers: [authorization('alice')] })
  connection.send(Buffer.concat([good, rawRequest('GET /livez'), Buffer.from(broken)]))
  expect((await connection.next()).json()).toHaveProperty('client_secret')
  expect((await connection.next()).json()).toEqual({ status: 'live' })
  expectProblem(await connection.next(), 400, 'invalid_request')
  await connection.closed
  expect(connection.rest()).toBe('')
  expect(users()).toEqual(['alice'])
})

test('the token of one request is not the token of the next', async () => {
  const connection = await openRaw(running.url)
  connection.send(
    Buffer.concat([
      rawRequest('POST /v1/sessions', { headers: [authorization('alice')] }),
      rawRequest('POST /v1/sessions'),
    ]),
  )
  expect((await connection.next()).status).toBe(200)
  expectProblem(await connection.next(), 401, 'missing_token')
  expect(users()).toEqual(['alice'])
  connection.destroy()
})

test('a request hidden in the body of a refused one is not carried out', async () => {
  const hidden = rawRequest('POST /v1/sessions', { headers: [authorization('mallory')] })
  const connection = await openRaw(running.url)
  connection.send(rawRequest('POST /v1/sessions', { headers: [JSON_TYPE], body: hidden }))
  expectProblem(await connection.next(), 401, 'missing_token')
  connection.send(rawRequest('GET /livez'))
  expect((await connection.next()).json()).toEqual({ status: 'live' })
  expect(users()).toEqual([])
  connection.destroy()
})

test('garbage behind a mint under way is refused once, after the answer to the mint', async () => {
  running.upstream.setFaults({ latency_ms: 300, times: 1 })
  const connection = await openRaw(running.url)
  connection.send(rawRequest('POST /v1/sessions', { headers: [authorization('alice')] }))
  await setTimeout(50)
  connection.send('GARBAGE\r\n\r\n')
  await setTimeout(50)
  connection.send('MORE GARBAGE\r\n\r\n')
  expect((await connection.next()).json()).toHaveProperty('client_secret')
  expectProblem(await connection.next(), 400, 'invalid_request')
  await connection.closed
  expect(connection.rest()).toBe('')
})

test.each([
  [
    'is broken is not answered a second time',
    'Transfer-Encoding: chunked',
    'zz\r\nnot a chunk\r\n',
  ],
  ['never comes loses its connection soon', 'Content-Length: 1000', ''],
])('a refused request whose body %s', async (_name, framing, body) => {
  const connection = await openRaw(running.url)
  connection.send(rawRequest('POST /v1/sessions', { headers: [framing] }))
  expectProblem(await connection.next(), 401, 'missing_token')
  connection.send(body)
  await connection.closed
  expect(connection.rest()).toBe('')
})

test.each([
  ['GET', 'Content-Length: 1000'],
  ['HEAD', 'Content-Length: 1000'],
  ['GET', 'Transfer-Encoding: chunked'],
])(
  'a %s with a body of %s that has not arrived is the last request of its connection',
  async (method, framing) => {
    const connection = await openRaw(running.url)
    connection.send(rawRequest(`${method} /livez`, { headers: [framing] }))
    const { headers } = await connection.next({ head: method === 'HEAD' })
    expect(headers).toMatchObject({ connection: 'close' })
    await connection.closed
  },
)

test('a connection that closes takes the rest of a refused body, so that a proxy can read the answer', async () => {
  const { hostname, port } = new URL(running.url)
  const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true })
  const closed = once(socket, 'close')
  const errors: string[] = []
  socket.on('error', ({ message }) => errors.push(message))
  let received = ''
  socket.on('data', (chunk) => (received += chunk))
  // nginx sends `Connection: close`, and goes on sending the rest of the body.
  socket.write(
    'POST /chatkit/helpdesk HTTP/1.1\r\nHost: mint\r\nConnection: close\r\nContent-Length: 4000000\r\n\r\n',
  )
  socket.write(Buffer.alloc(100_000))
  await expect.poll(() => received).toMatch(/^HTTP\/1\.1 404 .*\r\n\r\n\{.*\}$/s)
  for (let sent = 0; sent < 30; sent++) {
    await new Promise((done) => socket.write(Buffer.alloc(100_000), done))
  }
  socket.end()
  await closed
  expect(errors).toEqual([])
})

test('a client that goes on sending after its answer is cut off', async () => {
  const connection = await openRaw(running.url)
  connection.send(
    rawRequest('POST /nowhere', { headers: ['Connection: close', 'Content-Length: 9'] }),
  )
  expectProblem(await connection.next(), 404, 'not_found')
  await connection.closed
})
