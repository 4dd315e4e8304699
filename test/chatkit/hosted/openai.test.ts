import { setTimeout } from 'node:timers/promises'
import { describe, expect, test, vi } from 'vitest'
import type { CallOptions, UnusableSessionError, UpstreamCall } from '../../../src/chatkit/port.ts'
import { Secret } from '../../../src/lib/secret.ts'
import { SESSION } from '../../support/chatkit/examples.ts'
import { type Behaviour, sessionOf } from '../../support/chatkit/scripted-upstream.ts'
import { eventually } from '../../support/eventually.ts'
import { sessionId } from '../../support/ids.ts'
import { createScene } from './scene.ts'

const { upstream, adapter } = createScene(8)

const PARAMS = { user: 'alice', workflow: { id: 'wf_1' } }
const create = (call?: CallOptions) => adapter().createSession(PARAMS, call)
const cancel = (call?: CallOptions) => adapter().cancelSession(sessionId('cksess_1'), call)
const status = (code: number, headers: Record<string, string> = {}): Behaviour => ({
  kind: 'answer',
  status: code,
  headers,
})

describe('one deadline for all attempts together', () => {
  test.each<[string, Behaviour[], number]>([
    ['never answers', [{ kind: 'hang' }], 1],
    ['sends headers and hangs', [{ kind: 'stall' }], 1],
    ['fails, then never answers', [status(500), { kind: 'hang' }], 2],
    ['resets, then sends headers and hangs', [{ kind: 'reset' }, { kind: 'stall' }], 2],
  ])('%s', async (_name, creates, requests) => {
    upstream.creates = creates
    const started = performance.now()
    await expect(create({ withinMs: 900 })).rejects.toMatchObject({ code: 'upstream_timeout' })
    const took = performance.now() - started
    expect(took).toBeGreaterThan(880)
    expect(took).toBeLessThan(2000)
    expect(upstream.seen).toHaveLength(requests)
    await eventually(() => expect(upstream.seen.at(-1)?.aborted).toBe(true))
  })

  test.each<[string, Behaviour]>([
    ['never answers', { kind: 'hang' }],
    ['sends headers and hangs', { kind: 'stall' }],
  ])('of a cancel, too: %s', async (_name, behaviour) => {
    upstream.cancels = [behaviour]
    await expect(cancel({ withinMs: 100 })).rejects.toMatchObject({ code: 'upstream_timeout' })
    expect(upstream.seen).toHaveLength(1)
  })

  test('leaves no timer behind', async () => {
    const timers = () =>
      process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length
    const before = timers()
    const api = adapter()
    for (let call = 0; call < 20; call++) await api.createSession(PARAMS, { withinMs: 60_000 })
    expect(timers()).toBeLessThan(before + 5)
  })
})

test('a create hands on the whole answer, with the client secret as a Secret that is never printed', async () => {
  const answer = { ...SESSION, user: PARAMS.user }
  upstream.creates = [{ kind: 'answer', status: 200, body: JSON.stringify(answer) }]
  const session = await create()
  expect({ ...session, client_secret: session.client_secret.reveal() }).toEqual(answer)
  expect(JSON.stringify(session)).toContain('"client_secret":"[redacted]"')
})

describe('a cancel', () => {
  test('is confirmed by an answer with the session, no longer active', async () => {
    await expect(cancel()).resolves.toMatchObject({ id: 'cksess_1', status: 'cancelled' })
    upstream.cancels = [{ kind: 'ok', changes: { status: 'expired', new_field: 1 } }]
    await expect(cancel()).resolves.toMatchObject({ status: 'expired' })
    expect(upstream.seen[0]).toMatchObject({
      method: 'POST',
      path: '/v1/chatkit/sessions/cksess_1/cancel',
      body: '',
    })
    expect(upstream.seen[0]?.headers).not.toHaveProperty('content-type')
  })

  test.each([404, 410])('%i counts as gone', async (code) => {
    upstream.cancels = [status(code)]
    await expect(cancel()).resolves.toBeNull()
  })

  const invalid = 'upstream_invalid_response'
  const session = JSON.stringify({ ...sessionOf('alice', 'cksess_1'), status: 'cancelled' })
  const body = (text: string): Behaviour => ({ kind: 'answer', status: 200, body: text })
  test.each<[string, Behaviour, string]>([
    ['{}', body('{}'), invalid],
    ['[]', body('[]'), invalid],
    ['HTML', body('<html></html>'), invalid],
    ['truncated JSON', body(session.slice(0, -20)), invalid],
    ['another session', { kind: 'ok', changes: { id: 'cksess_2' } }, invalid],
    ['a session still active', { kind: 'ok', changes: { status: 'active' } }, invalid],
    ['a redirect', status(307, { location: '/v1/other' }), invalid],
    ['a cut connection', { kind: 'cut' }, invalid],
    ['200 MB', { kind: 'flood', bytes: 200 * 1024 * 1024 }, invalid],
    ['400', status(400), 'upstream_rejected'],
    ['401', status(401), 'upstream_auth_failed'],
    ['403', status(403), 'upstream_auth_failed'],
    ['422', status(422), 'upstream_rejected'],
    ['429', status(429, { 'retry-after': '1' }), 'upstream_rate_limited'],
    ['500', status(500), 'upstream_unavailable'],
    ['503', status(503), 'upstream_unavailable'],
  ])('is not confirmed by %s, and the answer stands', async (_name, behaviour, code) => {
    upstream.cancels = [behaviour, { kind: 'ok' }]
    await expect(cancel()).rejects.toMatchObject({ code })
    await setTimeout(400)
    expect(upstream.seen).toHaveLength(1)
    expect(upstream.flooded).toBeLessThan(16 * 1024 * 1024)
  })

  test('goes through although the upstream closes the connection under it', async () => {
    upstream.cancels = [{ kind: 'reset' }, { kind: 'ok' }]
    await expect(cancel()).resolves.toMatchObject({ status: 'cancelled' })
    expect(upstream.connections()).toBe(2)
  })
})

describe('queries', () => {
  test('values are encoded, and unset ones are left out', async () => {
    upstream.others = [{ kind: 'answer', status: 400 }]
    const query = { user: 'a&user=b#?+ ü', limit: 5, after: undefined }
    await expect(adapter().listThreads(query)).rejects.toMatchObject({ code: 'invalid_request' })
    const url = new URL(upstream.seen[0]?.path ?? '', 'http://x')
    expect([...url.searchParams]).toEqual([
      ['user', 'a&user=b#?+ ü'],
      ['limit', '5'],
    ])
  })
})

describe('the caller', () => {
  test('who leaves gets the abort reason at once', async () => {
    upstream.creates = [{ kind: 'hang' }]
    const controller = new AbortController()
    const call = adapter().createSession(PARAMS, { signal: controller.signal })
    await eventually(() => expect(upstream.seen).toHaveLength(1))
    const reason = new Error('gone')
    controller.abort(reason)
    await expect(call).rejects.toBe(reason)
  })

  test('who left before the call causes no request', async () => {
    const observe = vi.fn()
    const signal = AbortSignal.abort(new Error('gone'))
    await expect(adapter().createSession(PARAMS, { signal, observe })).rejects.toThrow('gone')
    expect(upstream.connections()).toBe(0)
    expect(observe).toHaveBeenCalledExactlyOnceWith(expect.objectContaining({ attempts: 0 }))
  })

  test('who leaves during the wait for a retry gets the abort reason at once', async () => {
    upstream.creates = [status(429, { 'retry-after': '5' })]
    const controller = new AbortController()
    const call = adapter().createSession(PARAMS, { signal: controller.signal })
    await eventually(() => expect(upstream.seen).toHaveLength(1))
    await setTimeout(50)
    const started = performance.now()
    controller.abort(new Error('gone'))
    await expect(call).rejects.toThrow('gone')
    expect(performance.now() - started).toBeLessThan(1000)
    expect(upstream.seen).toHaveLength(1)
  })

  test('gets the outcome of each call once, without a secret', async () => {
    const calls: UpstreamCall[] = []
    const observe = (call: UpstreamCall) => calls.push(call)
    upstream.creates = [status(500), { kind: 'ok' }]
    const api = adapter()
    await api.createSession(PARAMS, { observe })
    upstream.creates = [status(401, { 'x-request-id': 'req_7' })]
    await expect(api.createSession(PARAMS, { observe })).rejects.toThrow()
    upstream.creates = [{ kind: 'reset' }]
    await expect(api.createSession(PARAMS, { observe })).rejects.toThrow()
    expect(calls).toEqual([
      expect.objectContaining({ operation: 'create_session', status: 200, attempts: 2 }),
      expect.objectContaining({ status: 401, requestId: 'req_7', attempts: 1 }),
      expect.objectContaining({ status: undefined, requestId: undefined, attempts: 2 }),
    ])
    expect(JSON.stringify(calls)).not.toMatch(/sk-|ek_|alice/)
  })
})

test('a rotated key counts from the next call on', async () => {
  let key = 'sk-first'
  const api = adapter({ apiKey: () => new Secret(key), organization: 'org-1', project: 'proj-1' })
  await api.createSession(PARAMS)
  key = 'sk-second'
  await api.createSession(PARAMS)
  expect(upstream.seen.map(({ headers }) => headers.authorization)).toEqual([
    'Bearer sk-first',
    'Bearer sk-second',
  ])
  expect(upstream.seen[0]?.headers).toMatchObject({
    'openai-organization': 'org-1',
    'openai-project': 'proj-1',
  })
})

test('an error names the type, code and param of the API, never its message', async () => {
  const error = {
    message: 'Incorrect API key provided: sk-first',
    type: 'invalid_request_error',
    param: 'user; sk-first\n"',
    code: 'x'.repeat(500),
  }
  upstream.creates = [{ kind: 'answer', status: 400, body: { error } }]
  const reason: string = await create().catch((thrown) => thrown.reason)
  expect(reason).toMatch(/^status 400 \(invalid_request_error x{64} param usersk-first\)$/)
  upstream.creates = [{ kind: 'answer', status: 400, body: '<html>sk-first</html>' }]
  await expect(create()).rejects.toMatchObject({ reason: 'status 400' })
})

test('the id of a session that exists can be read from a broken answer', async () => {
  const thrown = (): Promise<UnusableSessionError> =>
    create().then(
      () => undefined as never,
      (e) => e,
    )
  upstream.creates = [
    { kind: 'answer', status: 200, body: '{"object":"x", "id" : "cksess_a-1", "us' },
  ]
  expect((await thrown()).sessionId).toBe('cksess_a-1')
  upstream.creates = [{ kind: 'answer', status: 200, body: '{"id":"wf_1","us' }]
  expect((await thrown()).sessionId).toBeUndefined()
  upstream.creates = [{ kind: 'ok', changes: { id: '../x' } }]
  expect((await thrown()).sessionId).toBeUndefined()
})
