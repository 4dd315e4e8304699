import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, describe, expect, test } from 'vitest'
import type { ErrorCode } from '../../src/lib/errors.ts'
import { eventually } from '../support/eventually.ts'
import { answerOf, expectProblem } from '../support/problem-answer.ts'
import {
  API_KEY,
  claimsOf,
  DEFAULT_CONFIG,
  type Running,
  type RunningOptions,
  startService,
  tokenFor,
} from '../support/running-service.ts'
import { createSigner } from '../support/tokens.ts'

// The problem answer (RFC 9457) for each code that a mint can end with. The codes of body, parser and
// draining have tests of their own.

let running: Running | undefined
afterEach(async () => {
  await running?.close()
  running = undefined
})

async function start(options?: RunningOptions): Promise<Running> {
  running = await startService(options)
  return running
}

const PLANTED = 'planted upstream text sk-planted0123456789'

describe('an upstream fault', () => {
  type Row = readonly [string, Parameters<Running['upstream']['setFaults']>[0], number, ErrorCode]
  const error = { error: { message: PLANTED, type: 'server_error', param: null, code: null } }

  test.each<Row>([
    ['400', { status: 400, body: error }, 502, 'upstream_rejected'],
    ['422', { status: 422, body: error }, 502, 'upstream_rejected'],
    ['401', { status: 401, body: error }, 502, 'upstream_auth_failed'],
    ['403', { status: 403, body: error }, 502, 'upstream_auth_failed'],
    ['404', { status: 404, body: error }, 502, 'workflow_unavailable'],
    ['410', { status: 410, body: error }, 502, 'workflow_unavailable'],
    ['200 with {}', { status: 200, body: {} }, 502, 'upstream_invalid_response'],
    ['200 with HTML', { status: 200, body: `<p>${PLANTED}</p>` }, 502, 'upstream_invalid_response'],
    ['a redirect', { status: 302 }, 502, 'upstream_invalid_response'],
    ['500', { status: 500, body: error }, 503, 'upstream_unavailable'],
    ['503', { status: 503, body: error }, 503, 'upstream_unavailable'],
    ['429', { status: 429, retry_after: 90, body: error }, 503, 'upstream_rate_limited'],
  ])('%s gives its own problem answer', async (_name, faults, status, code) => {
    const { upstream, mint, logText } = await start()
    upstream.setFaults(faults)
    const answer = await answerOf(await mint())
    expectProblem(answer, status, code)
    expect(JSON.stringify(answer)).not.toContain('planted')
    expect(logText()).not.toContain('sk-planted')
    expect(logText()).not.toContain(API_KEY)
  })

  test('without an answer until the deadline gives 504', async () => {
    const { upstream, mint } = await start()
    upstream.setFaults({ hang: true })
    expectProblem(await answerOf(await mint()), 504, 'upstream_timeout')
  })

  test('of a refused connection gives 503', async () => {
    const { mint } = await start({ env: { OPENAI_BASE_URL: 'http://127.0.0.1:9/v1' } })
    expectProblem(await answerOf(await mint()), 503, 'upstream_unavailable')
  })

  test.each([
    [90, '90'],
    [100_000, '120'],
    ['soon', '5'],
  ])('of 429 with Retry-After %s passes it on as %s', async (given, handedOn) => {
    const { upstream, mint } = await start()
    upstream.setFaults({ status: 429, retry_after: given })
    expect((await mint()).headers.get('retry-after')).toBe(handedOn)
  })
})

describe('a request is answered with', () => {
  test('token_expired when the token has expired', async () => {
    const { mint } = await start()
    const exp = Math.floor(Date.now() / 1000) - 60
    expectProblem(await answerOf(await mint(tokenFor('alice', { exp }))), 401, 'token_expired')
  })

  test('claims_not_mapped when the user expression needs an absent claim', async () => {
    const config = DEFAULT_CONFIG.replace('user: claims.sub', 'user: claims.employee')
    const { mint } = await start({ config })
    expectProblem(await answerOf(await mint()), 403, 'claims_not_mapped')
  })

  test('session_limit at the cap of live sessions, without an upstream call', async () => {
    const limits = 'live_sessions_per_user: { max: 1, when_full: deny }'
    const config = DEFAULT_CONFIG.replace(/live_sessions_per_user: .*/, limits)
    const { mint, upstream } = await start({ config })
    expect((await mint()).status).toBe(200)
    expectProblem(await answerOf(await mint()), 429, 'session_limit')
    expect(upstream.requests()).toHaveLength(1)
  })

  test('rate_limited over the limit of mints, without an upstream call', async () => {
    const limits = 'mints_per_user: { max: 1, seconds: 30 }'
    const config = DEFAULT_CONFIG.replace(/mints_per_user: .*/, limits)
    const { mint, upstream } = await start({ config })
    expect((await mint()).status).toBe(200)
    const answer = await answerOf(await mint())
    expectProblem(answer, 429, 'rate_limited')
    expect(Number(answer.headers['retry-after'])).toBeLessThanOrEqual(30)
    expect(upstream.requests()).toHaveLength(1)
  })

  test('idp_unavailable, and not 401, while the keys are not known', async () => {
    const keys = 'algorithms: [ES256]\n    jwks_uri: http://127.0.0.1:9/jwks.json'
    const config = DEFAULT_CONFIG.replace('algorithms: [HS256]', keys).replace(
      /.*secret_env.*\n/,
      '',
    )
    const { url, upstream } = await start({ config })
    const token = createSigner('ES256').token(claimsOf())
    const init = { method: 'POST', headers: { authorization: `Bearer ${token}` } }
    const answer = await answerOf(await fetch(`${url}/v1/sessions`, init))
    expectProblem(answer, 503, 'idp_unavailable')
    expectProblem(await answerOf(await fetch(`${url}/readyz`)), 503, 'idp_unavailable')
    expect(upstream.requests()).toEqual([])
  })

  test('store_unavailable when the store fails, and the unrecorded session is cancelled', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'chatkit-mint-'))
    const path = join(folder, 'mint.db')
    try {
      const { url, mint, upstream } = await start({ env: { STORE_URL: `sqlite:${path}` } })
      const other = new DatabaseSync(path)
      other.exec('BEGIN IMMEDIATE')
      expectProblem(await answerOf(await mint()), 503, 'store_unavailable')
      expectProblem(await answerOf(await fetch(`${url}/readyz`)), 503, 'store_unavailable')
      expect((await fetch(`${url}/livez`)).status).toBe(200)
      await eventually(() => {
        expect(upstream.sessions().filter(({ status }) => status === 'active')).toEqual([])
      })
      other.exec('ROLLBACK')
      other.close()
      expect((await mint()).status).toBe(200)
    } finally {
      await running?.close()
      running = undefined
      await rm(folder, { recursive: true })
    }
  })

  test('internal_error and only the request id, and the log holds the rest', async () => {
    const { app, url } = await start()
    app.get('/broken', () => {
      throw new TypeError('planted internals')
    })
    const answer = await answerOf(await fetch(`${url}/broken`))
    expectProblem(answer, 500, 'internal_error')
    expect(answer.body).not.toMatch(/planted|TypeError/)
    expect(running?.log.at(-1)).toMatchObject({
      level: 50,
      request_id: answer.headers['x-request-id'],
      code: 'internal_error',
      err: { cause: { type: 'TypeError', message: 'planted internals' } },
    })
  })
})

test('readiness makes no call to OpenAI', async () => {
  const { url, upstream } = await start()
  upstream.setFaults({ status: 500 })
  expect(await (await fetch(`${url}/readyz`)).json()).toEqual({ status: 'ready' })
  expect(upstream.requests()).toEqual([])
})
