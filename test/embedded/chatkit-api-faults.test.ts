import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type RunningChatKitApi, startChatKitApi } from '../../src/embedded/chatkit-api/api.ts'
import { apiRequest, CREDENTIALS } from '../support/chatkit/request.ts'

let running: RunningChatKitApi
beforeEach(async () => {
  running = await startChatKitApi({ port: 0 })
})
afterEach(async () => {
  await running.close()
})

const HEADERS = { host: 'localhost' }
const setFaults = (json: unknown) =>
  apiRequest(running.api, '/_embedded/faults', { method: 'PUT', json, headers: HEADERS })
const call = () => apiRequest(running.api, '/v1/chatkit/threads')
const create = (signal?: AbortSignal) =>
  fetch(`${running.url}/chatkit/sessions`, {
    method: 'POST',
    headers: { ...CREDENTIALS, 'content-type': 'application/json' },
    body: JSON.stringify({ user: 'alice', workflow: { id: 'wf_1' } }),
    ...(signal && { signal }),
  })

describe('faults', () => {
  it.each([
    [400, 'invalid_request_error', null],
    [401, 'invalid_request_error', 'invalid_api_key'],
    [429, 'requests', 'rate_limit_exceeded'],
    [500, 'server_error', null],
    [503, 'server_error', null],
  ])("status %i comes in the API's error format", async (status, type, code) => {
    expect(await setFaults({ status })).toMatchObject({ status: 200, body: { status } })
    const answer = await call()
    expect(answer).toMatchObject({ status, body: { error: { type, param: null, code } } })
    expect(answer.headers.get('x-request-id')).toMatch(/^req_/)
  })

  it('a fault holds until it is changed, or for the given number of calls', async () => {
    await setFaults({ status: 503 })
    expect([(await call()).status, (await call()).status]).toEqual([503, 503])
    await setFaults({ status: 500, times: 2 })
    const statuses = [await call(), await call(), await call()].map(({ status }) => status)
    expect(statuses).toEqual([500, 500, 200])
    await setFaults({ status: 503 })
    await setFaults({})
    expect((await call()).status).toBe(200)
  })

  it('come before the check of credentials and replace the call', async () => {
    await setFaults({ status: 500, times: 2 })
    expect(await apiRequest(running.api, '/v1/chatkit/threads', { headers: {} })).toMatchObject({
      status: 500,
    })
    expect((await create()).status).toBe(500)
    expect(running.api.sessions()).toEqual([])
    expect(running.api.requests()).toMatchObject([{ status: 500 }, { status: 500 }])
  })

  it('leave the control calls alone', async () => {
    await setFaults({ status: 500 })
    const parts = { json: { user: 'alice' }, headers: HEADERS }
    expect(await apiRequest(running.api, '/_embedded/threads', parts)).toMatchObject({
      status: 200,
    })
  })

  it.each<[unknown, string, string]>([
    ['{"id":"cksess_1","cli', '{"id":"cksess_1","cli', 'application/json'],
    ['<html>Bad gateway</html>', '<html>Bad gateway</html>', 'text/html; charset=utf-8'],
    ['', '', 'application/json'],
    [{}, '{}', 'application/json'],
    [[1], '[1]', 'application/json'],
    [null, 'null', 'application/json'],
  ])('body %j is sent as it stands', async (body, text, type) => {
    await setFaults({ body })
    const answer = await call()
    expect(answer).toMatchObject({ status: 200, text })
    expect(answer.headers.get('content-type')).toBe(type)
  })

  it('body and status go together; 204 and 304 have no body', async () => {
    await setFaults({ status: 502, body: 'upstream' })
    expect(await call()).toMatchObject({ status: 502, text: 'upstream' })
    await setFaults({ status: 204, body: 'x' })
    expect(await call()).toMatchObject({ status: 204, text: '' })
    await setFaults({ status: 304 })
    expect(await call()).toMatchObject({ status: 304, text: '' })
  })

  it('a redirect leads back here, so that following it shows', async () => {
    await setFaults({ status: 307, times: 1 })
    expect((await create()).status).toBe(404)
    expect(running.api.requests()).toMatchObject([
      { path: '/v1/chatkit/sessions', status: 307 },
      { path: '/v1/redirected', status: 404 },
    ])
  })

  it.each([
    [1, '1'],
    [120, '120'],
    ['soon', 'soon'],
  ])('retry_after %j is sent, alone or with a status', async (retry_after, sent) => {
    await setFaults({ status: 429, retry_after })
    expect((await call()).headers.get('retry-after')).toBe(sent)
    await setFaults({ retry_after })
    const answer = await call()
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([200, sent])
  })

  it('latency delays the answer, after the work has been done', async () => {
    await setFaults({ latency_ms: 60_000 })
    const client = new AbortController()
    const pending = create(client.signal)
    await expect.poll(() => running.api.sessions()).toHaveLength(1)
    expect(running.api.requests()).toMatchObject([{ status: null }])
    client.abort()
    await expect(pending).rejects.toThrow()
    await expect.poll(() => running.api.requests()).toMatchObject([{ status: 200 }])
  })

  it('hang sends no answer, changes nothing, and ends when the server closes', async () => {
    await setFaults({ hang: true })
    const outcome = create().then(
      () => 'answered',
      () => 'cut off',
    )
    await expect.poll(() => running.api.requests()).toHaveLength(1)
    expect(running.api.requests()).toMatchObject([{ status: null }])
    expect(running.api.sessions()).toEqual([])
    await running.close()
    expect(await outcome).toBe('cut off')
    running = await startChatKitApi({ port: 0 })
  })

  it('hang with a status sends headers and then hangs', async () => {
    await setFaults({ hang: true, status: 200, body: '{"id":' })
    const response = await create()
    expect(response.status).toBe(200)
    const reader = (response.body as ReadableStream<Uint8Array>).getReader()
    const { value } = await reader.read()
    expect(new TextDecoder().decode(value)).toBe('{"id":')
    const more = reader.read().then(
      () => 'ended',
      () => 'cut off',
    )
    await running.close()
    expect(await more).toBe('cut off')
    running = await startChatKitApi({ port: 0 })
  })

  it.each<[unknown]>([
    [{ status: 99 }],
    [{ status: 600 }],
    [{ latency_ms: -1 }],
    [{ hang: 'yes' }],
    [{ retry_after: 'a\r\nb: c' }],
    [{ times: 0 }],
    [{ delay: 5 }],
    [[]],
  ])('refuse %j and keep what was set', async (json) => {
    await setFaults({ status: 503 })
    expect(await setFaults(json)).toMatchObject({ status: 400, body: { error: {} } })
    expect((await call()).status).toBe(503)
  })
})
