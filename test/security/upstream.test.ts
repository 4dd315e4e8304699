import { setTimeout } from 'node:timers/promises'
import { describe, expect, test, vi } from 'vitest'
import {
  type Behaviour,
  sessionOf,
  startScriptedUpstream,
} from '../support/chatkit/scripted-upstream.ts'
import { eventually } from '../support/eventually.ts'
import { startService, tokenFor } from '../support/running-service.ts'
import { forEachTest } from '../support/started.ts'
import { answer, type Problem, refused } from './upstream-fixture.ts'

/** The rows of "Upstream" for a create, from a client's request to the answer it gets. */

const upstream = forEachTest(() => startScriptedUpstream())
const service = forEachTest(() => startService({ env: { OPENAI_BASE_URL: upstream.url } }))

const mint = () => service.mint(tokenFor('alice'))
const cancelledIds = () => upstream.cancellations().map(({ path }) => path.split('/').at(-2))

describe('never answers', () => {
  test('504 at the deadline of 8 s, after one request; sends headers and hangs: the same', async () => {
    upstream.creates = [{ kind: 'hang' }, { kind: 'stall' }]
    const started = performance.now()
    const timed = (response: Promise<Problem>) =>
      response.then((problem) => ({ ...problem, ms: performance.now() - started }))
    const both = await Promise.all([
      timed(refused(service, mint())),
      timed(refused(service, mint())),
    ])
    for (const { ms, ...problem } of both) {
      expect(problem).toMatchObject({ status: 504, code: 'upstream_timeout' })
      expect(ms).toBeGreaterThan(7_900)
      expect(ms).toBeLessThan(9_500)
    }
    expect(upstream.seen).toHaveLength(2)
    await eventually(() =>
      expect(upstream.seen.map(({ aborted }) => aborted)).toEqual([true, true]),
    )
  })
})

describe('an answer that is no session for this user', () => {
  const whole = JSON.stringify(sessionOf('alice', 'cksess_made'))
  test.each<[string, Behaviour]>([
    ['{}', { kind: 'answer', status: 200, body: {} }],
    ['[]', { kind: 'answer', status: 200, body: [] }],
    ['null', { kind: 'answer', status: 200, body: 'null' }],
    ['HTML', { kind: 'answer', status: 200, body: '<html>sign in</html>' }],
    ['nothing', { kind: 'answer', status: 204, body: '' }],
    ['no HTTP', { kind: 'garbage', text: '220 mail.example ESMTP\r\n' }],
    [
      '40 KB of headers',
      { kind: 'garbage', text: `HTTP/1.1 200 OK\r\nx: ${'y'.repeat(40_000)}\r\n\r\n` },
    ],
    ['a connection cut in the middle', { kind: 'cut' }],
    ['a session in an array', { kind: 'answer', status: 200, body: `[${whole.slice(0, 3)}` }],
  ])('%s: 502 and no retry', async (_name, behaviour) => {
    upstream.creates = [behaviour, { kind: 'ok' }]
    expect(await refused(service, mint())).toMatchObject({
      status: 502,
      code: 'upstream_invalid_response',
    })
    expect(upstream.creations()).toHaveLength(1)
  })

  test.each<[string, Behaviour]>([
    ['truncated JSON', { kind: 'answer', status: 200, body: whole.slice(0, -40) }],
    ['another user', { kind: 'ok', changes: { id: 'cksess_made', user: 'mallory' } }],
    ['another spelling of the user', { kind: 'ok', changes: { id: 'cksess_made', user: 'Alice' } }],
    ['status expired', { kind: 'ok', changes: { id: 'cksess_made', status: 'expired' } }],
    ['status cancelled', { kind: 'ok', changes: { id: 'cksess_made', status: 'cancelled' } }],
    ['a status nobody knows', { kind: 'ok', changes: { id: 'cksess_made', status: 'frozen' } }],
    ['no client secret', { kind: 'ok', changes: { id: 'cksess_made', client_secret: undefined } }],
    [
      'a client secret that is a number',
      { kind: 'ok', changes: { id: 'cksess_made', client_secret: 7 } },
    ],
    [
      'an expiry in milliseconds',
      { kind: 'ok', changes: { id: 'cksess_made', expires_at: Date.now() + 600_000 } },
    ],
    [
      'an expiry that no store can hold',
      { kind: 'ok', changes: { id: 'cksess_made', expires_at: 1e308 } },
    ],
    ['no expiry', { kind: 'ok', changes: { id: 'cksess_made', expires_at: null } }],
  ])('%s: 502, and the session that exists is cancelled', async (_name, behaviour) => {
    upstream.creates = [behaviour, { kind: 'ok' }]
    expect(await refused(service, mint())).toMatchObject({
      status: 502,
      code: 'upstream_invalid_response',
    })
    await eventually(() => expect(cancelledIds()).toEqual(['cksess_made']))
    expect(upstream.creations()).toHaveLength(1)
  })

  test.each(['../admin', 'cksess/1', 'cksess%2f1', 'cksess_1?x=1', '', 'c'.repeat(129)])(
    'an id that no path can hold (%j): 502, for it could never be cancelled',
    async (id) => {
      upstream.creates = [{ kind: 'ok', changes: { id } }]
      expect(await refused(service, mint())).toMatchObject({ status: 502 })
      await setTimeout(50)
      expect(upstream.cancellations()).toEqual([])
    },
  )

  test.each(['alice', 'bob'])('the id of a session that alice had, for %s: 502', async (user) => {
    const made = { id: 'cksess_made' }
    upstream.creates = [
      { kind: 'ok', changes: made },
      { kind: 'ok', changes: made },
    ]
    expect((await mint()).status).toBe(200)
    expect(await refused(service, service.mint(tokenFor(user)))).toMatchObject({
      status: 502,
      code: 'upstream_invalid_response',
    })
  })

  test('the cancel of such a session is tried again when it fails', async () => {
    upstream.creates = [{ kind: 'ok', changes: { id: 'cksess_made', user: 'mallory' } }]
    upstream.cancels = [answer(500), { kind: 'ok' }]
    await refused(service, mint())
    await vi.waitFor(() => expect(cancelledIds()).toEqual(['cksess_made', 'cksess_made']), 3000)
  })

  test('fields that are new are no fault', async () => {
    upstream.creates = [{ kind: 'ok', changes: { colour: 'red', deep: { er: [1] } } }]
    const response = await mint()
    expect(response.status).toBe(200)
    expect(await response.json()).toEqual({ client_secret: expect.stringMatching(/^ek_planted/) })
  })
})

describe('a refusal is passed on once', () => {
  test.each([
    [400, 'upstream_rejected'],
    [401, 'upstream_auth_failed'],
    [403, 'upstream_auth_failed'],
    [404, 'workflow_unavailable'],
    [409, 'upstream_rejected'],
    [410, 'workflow_unavailable'],
    [422, 'upstream_rejected'],
  ])('%i is 502 %s, and nobody asks again', async (status, code) => {
    upstream.creates = [answer(status), { kind: 'ok' }]
    expect(await refused(service, mint())).toEqual({ status: 502, code, retryAfter: null })
    await setTimeout(400)
    expect(upstream.seen).toHaveLength(1)
    expect(service.logText()).toContain(`status ${status} (some_error some_code)`)
  })

  test.each([301, 302, 303, 307, 308])(
    'redirect %i is 502, and its target sees nothing',
    async (status) => {
      const target = await startScriptedUpstream()
      for (const location of [`${target.url}/chatkit/sessions`, '/v1/elsewhere']) {
        upstream.creates = [answer(status, { location })]
        expect(await refused(service, mint())).toMatchObject({
          status: 502,
          code: 'upstream_invalid_response',
        })
      }
      expect(target.connections()).toBe(0)
      expect(upstream.seen.map(({ path }) => path)).toEqual(
        Array.from({ length: 2 }, () => '/v1/chatkit/sessions'),
      )
      await target.close()
    },
  )
})
