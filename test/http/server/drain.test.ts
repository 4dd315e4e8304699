import { expect, test, vi } from 'vitest'
import { createSqliteRegistry } from '../../../src/registry/sqlite.ts'
import { eventually } from '../../support/eventually.ts'
import { answerOf, expectEnvelope, expectProblem } from '../../support/problem-answer.ts'
import { openRaw, rawRequest } from '../../support/raw-http.ts'
import { startService, tokenFor } from '../../support/running-service.ts'
import { forEachTest } from '../../support/started.ts'

// The steps that SIGTERM starts, without a process: `drain`, and then `stop`.

const running = forEachTest(() => startService())

const mintRequest = rawRequest('POST /v1/sessions', {
  headers: [`Authorization: Bearer ${tokenFor()}`],
})

test('readyz turns 503 at once, liveness does not', async () => {
  expect((await fetch(`${running.url}/readyz`)).status).toBe(200)
  running.drain()
  expectProblem(await answerOf(await fetch(`${running.url}/readyz`)), 503, 'shutting_down')
  expect((await fetch(`${running.url}/livez`)).status).toBe(200)
})

test('requests are still answered, and every answer closes its connection, errors too', async () => {
  const open = await openRaw(running.url)
  open.send(rawRequest('GET /livez'))
  expect((await open.next()).headers['connection']).toBe('keep-alive')
  running.drain()
  open.send(mintRequest)
  const minted = await open.next()
  expect(minted.json()).toHaveProperty('client_secret')
  expect(minted.headers['connection']).toBe('close')
  expectEnvelope(minted)
  await open.closed
  for (const [line, status] of [
    ['GET /nowhere', 404],
    ['POST /v1/sessions', 401],
    ['OPTIONS /livez', 204],
  ] as const) {
    const connection = await openRaw(running.url)
    connection.send(rawRequest(line))
    const answer = await connection.next()
    expect(answer.status).toBe(status)
    expect(answer.headers['connection']).toBe('close')
    await connection.closed
  }
})

test('requests in flight are answered, idle connections are closed, new ones are refused', async () => {
  running.upstream.setFaults({ latency_ms: 500 })
  const idle = await openRaw(running.url)
  idle.send(rawRequest('GET /livez'))
  await idle.next()
  const busy = await openRaw(running.url)
  busy.send(mintRequest)
  await eventually(() => expect(running.upstream.requests()).toHaveLength(1))

  running.drain()
  let stopped = false
  const stopping = running.stop(10_000).then(() => {
    stopped = true
  })
  await idle.closed
  await expect(openRaw(running.url)).rejects.toThrow('ECONNREFUSED')
  expect(stopped).toBe(false)
  const answer = await busy.next()
  expect(answer.json()).toHaveProperty('client_secret')
  expect(answer.headers['connection']).toBe('close')
  await busy.closed
  await stopping
})

test('a request pipelined behind one in flight is carried out whole or not at all', async () => {
  running.upstream.setFaults({ latency_ms: 300 })
  const connection = await openRaw(running.url)
  connection.send(Buffer.concat([mintRequest, rawRequest('GET /livez')]))
  await eventually(() => expect(running.upstream.requests()).toHaveLength(1))
  running.drain()
  const stopping = running.stop(10_000)
  expect((await connection.next()).json()).toHaveProperty('client_secret')
  await connection.closed
  await stopping
})

test('a connection that becomes idle while stopping is closed, not kept for its 65 seconds', async () => {
  running.upstream.setFaults({ latency_ms: 300 })
  const connection = await openRaw(running.url)
  connection.send(mintRequest)
  await eventually(() => expect(running.upstream.requests()).toHaveLength(1))
  // Without `drain` the answer keeps its connection alive.
  const stopping = running.stop(60_000)
  expect((await connection.next()).headers['connection']).toBe('keep-alive')
  await connection.closed
  await stopping
})

test('a request that does not end in time is cut', async () => {
  running.upstream.setFaults({ hang: true })
  const connection = await openRaw(running.url)
  connection.send(mintRequest)
  await eventually(() => expect(running.upstream.requests()).toHaveLength(1))
  await running.stop(100)
  await connection.closed
  expect(connection.rest()).toBe('')
})

test('work in the background that does not end in time is named in the log', async () => {
  const real = createSqliteRegistry({ path: ':memory:' })
  const claimCancels = vi.fn(() => new Promise<never>(() => {}))
  const { close, logText } = await startService({ registry: { ...real, claimCancels } })
  await expect.poll(() => claimCancels.mock.calls.length, { timeout: 10_000 }).toBe(1)
  await close(1)
  expect(logText()).toContain('work was still under way')
})
