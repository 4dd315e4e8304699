import { once } from 'node:events'
import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import type { AppContext } from '../../src/http/context.ts'
import { releaseWhenTaken } from '../../src/http/upstream-call-options.ts'
import { createMemoryBudget } from '../../src/lib/shares/memory-budget.ts'
import { eventually } from '../support/eventually.ts'
import { serve } from '../support/network/listen.ts'
import { openRaw, rawRequest } from '../support/raw-http.ts'
import { startService, tokenFor } from '../support/running-service.ts'

/** A ChatKit API that holds every answer back, and the calls that it holds. */
async function startSilentUpstream(): Promise<{ url: string; held: ServerResponse[] }> {
  const held: ServerResponse[] = []
  const upstream = await serve((_request, response) => held.push(response))
  onTestFinished(upstream.close)
  return { url: `${upstream.origin}/v1`, held }
}

test('the upstream call is aborted when the client leaves', async () => {
  const { url, held } = await startSilentUpstream()
  const running = await startService({ env: { OPENAI_BASE_URL: url } })
  const client = await openRaw(running.url)
  client.send(rawRequest('POST /v1/sessions', { headers: [`Authorization: Bearer ${tokenFor()}`] }))
  await eventually(() => expect(held).toHaveLength(1))
  const aborted = once(held[0] as ServerResponse, 'close')
  client.destroy()
  await aborted
  await eventually(() => {
    expect(running.log.filter(({ msg }) => msg === 'request')).toMatchObject([
      { code: 'request_timeout', reason: 'the client is gone', upstream: { attempts: 1 } },
    ])
  })
  expect(held).toHaveLength(1)
})

test('a client that leaves during its own body starts no upstream call', async () => {
  const running = await startService()
  const client = await openRaw(running.url)
  const headers = [`Authorization: Bearer ${tokenFor()}`, 'Content-Type: application/json']
  client.send(rawRequest('POST /v1/sessions', { headers: [...headers, 'Content-Length: 100'] }))
  client.send('{"workflow"')
  await eventually(async () => expect((await fetch(`${running.url}/livez`)).status).toBe(200))
  client.destroy()
  await eventually(() => {
    const lines = running.log.filter(({ route }) => route !== '/livez')
    expect(lines).toMatchObject([{ msg: 'request', code: 'invalid_request' }])
  })
  expect(running.upstream.requests()).toEqual([])
})

test('a client that leaves does not disturb other clients', async () => {
  const running = await startService()
  running.upstream.setFaults({ latency_ms: 200 })
  const others = Promise.all(Array.from({ length: 5 }, (_, at) => running.mint(tokenFor(`u${at}`))))
  const client = await openRaw(running.url)
  client.send(rawRequest('POST /v1/sessions', { headers: [`Authorization: Bearer ${tokenFor()}`] }))
  await eventually(() => expect(running.upstream.requests()).toHaveLength(6))
  client.destroy()
  expect((await others).map((response) => response.status)).toEqual([200, 200, 200, 200, 200])
})

test('nothing is kept for a client that has left before its answer is waited for', async () => {
  const { memoryFor } = createMemoryBudget({ memoryBytes: 10, userMemoryBytes: 10 })
  const outgoing = new ServerResponse(new IncomingMessage(new Socket()))
  outgoing.destroy()
  await once(outgoing, 'close')
  const held = memoryFor('alice')
  releaseWhenTaken({ env: { outgoing } } as AppContext, held)
  expect(outgoing.listenerCount('close')).toBe(0)
  held.hold(10)
  memoryFor('alice').hold(10)
})
