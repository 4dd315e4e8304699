import { createHash } from 'node:crypto'
import { beforeEach, describe, expect, test } from 'vitest'
import type { ErrorCode } from '../../src/lib/errors.ts'
import { ADMINS, auditOf, secretFrom, signOut } from '../support/admin-calls.ts'
import { PUBLIC_URL, selfHostedConfig } from '../support/chatkit/self-hosted.ts'
import { stoppedClock } from '../support/issuer-settings.ts'
import { answerOf, expectBothSchemes, expectProblem } from '../support/problem-answer.ts'
import type { RawAnswer } from '../support/raw-http.ts'
import { describeEachStore } from '../support/registry/each-store.ts'
import { claimsOf, ISSUER, signer, startService } from '../support/running-service.ts'
import { forEachTest } from '../support/started.ts'
import { logoutClaimsOf } from '../support/tokens.ts'

// 40 bad client secrets, 40 wrong introspection secrets, 40 bad logout tokens from one address: 429 by
// limits.failed_auth_per_ip, while a valid one is still accepted.

const PASSWORD = 'the secret of the helpdesk'
const hash = createHash('sha256').update(PASSWORD).digest('hex')
const ALLOWED = 5
const config = selfHostedConfig({
  server: 'http://127.0.0.1:9/chatkit',
  limits: `limits: { failed_auth_per_ip: { max: ${ALLOWED}, seconds: 60 } }`,
  workflow: '  shop:\n    server: http://127.0.0.1:9/shop\n',
  more: `trusted_proxies: [127.0.0.0/8]
${ADMINS}
introspection:
  clients:
    - { id: helpdesk, secret_sha256: 'sha256:${hash}', workflows: [helpdesk] }
    - { id: everything, secret_sha256: 'sha256:${hash}' }`,
}).replace(
  'secret_env: TEST_SHARED_SECRET',
  'secret_env: TEST_SHARED_SECRET\n    logout: { client_ids: [web-app], algorithms: [HS256] }',
)

type Call = (credential: string, from: string) => Promise<RawAnswer>

describeEachStore('guesses, %s', (env) => {
  const clock = stoppedClock(Date.now())
  // The admin's tokens are issued by the real time, and are refused if this clock is far behind it.
  beforeEach(() => clock.advance(Math.max(0, Date.now() - clock.now()) / 1000))
  const running = forEachTest(() =>
    startService({ config, env: { ...env(), PUBLIC_URL }, now: clock.now }),
  )
  // Redis keeps its counters from one test to the next.
  let addresses = 0
  const newAddress = () => `198.51.100.${++addresses}`

  const post = async (path: string, from: string, init: RequestInit): Promise<RawAnswer> =>
    answerOf(
      await fetch(running.url + path, {
        method: 'POST',
        ...init,
        headers: { 'x-forwarded-for': from, ...init.headers },
      }),
    )
  const mint: Call = (token, from) =>
    post('/v1/sessions', from, { headers: { authorization: `Bearer ${token}` } })
  const send: Call = (secret, from) =>
    post('/chatkit/helpdesk', from, {
      headers: { authorization: `Bearer ${secret}`, 'content-type': 'application/json' },
      body: '{"type":"threads.list","params":{}}',
    })
  const introspectAs = (id: string, token = 'x'): Call => {
    const body = new URLSearchParams({ token })
    return (password, from) => {
      const basic = Buffer.from(`${id}:${password}`).toString('base64')
      return post('/v1/introspect', from, { headers: { authorization: `Basic ${basic}` }, body })
    }
  }
  const logOut: Call = (token, from) =>
    post('/v1/backchannel-logout', from, { body: new URLSearchParams({ logout_token: token }) })
  const logoutToken = (claims = {}) =>
    signer.token(logoutClaimsOf(ISSUER, clock.now(), { jti: crypto.randomUUID(), ...claims }), {
      typ: 'logout+jwt',
    })
  const tokenOf = (user: string, claims = {}) =>
    signer.token(claimsOf({ sub: user, ...claims }, clock.now()))
  const secretOf = (user = 'alice') => secretFrom(running, tokenOf(user))

  /**
   * Of 40 guesses, those within the limit get their own refusal, the others 429. Where Redis is late, a call is
   * counted in memory, and refused as itself.
   */
  async function expectLimited(call: Call, from: string, refusal: readonly [number, ErrorCode]) {
    let own = 0
    for (let n = 0; n < 40; n++) {
      const answer = await call(`guess-${n}`, from)
      if (answer.status === refusal[0]) own++
      const takesBasic = answer.headers['www-authenticate']?.includes('Basic')
      if (takesBasic) expectBothSchemes(answer, 'invalid_token')
      else if (answer.status === refusal[0]) expectProblem(answer, ...refusal)
      else expectProblem(answer, 429, 'rate_limited')
    }
    expect(own).toBeGreaterThanOrEqual(ALLOWED)
    expect(own).toBeLessThan(3 * ALLOWED)
  }

  const expectRefused = (call: Call, credential: string, from: string) =>
    expect.poll(async () => (await call(credential, from)).status).toBe(429)

  test('of client secrets get 429; a live one from the same address works', async () => {
    const from = newAddress()
    const secret = await secretOf()
    await expectLimited(send, from, [401, 'invalid_token'])
    // The server is down here, so 503 says that the request was let in.
    expect((await send(secret, from)).status).toBe(503)
    await expectRefused(send, `${secret}x`, from)
    expectProblem(await send('guess', newAddress()), 401, 'invalid_token')
  })

  test('of links get 429, counted together with client secrets', async () => {
    const from = newAddress()
    const follow: Call = (link, from) =>
      post(`/chatkit/helpdesk?file=${link}`, from, { method: 'GET' })
    await expectLimited(follow, from, [401, 'invalid_token'])
    await expectRefused(send, 'guess', from)
  })

  test('of introspection secrets get 429, with one entry a minute in the audit', async () => {
    const from = newAddress()
    await expectLimited(introspectAs('helpdesk'), from, [401, 'invalid_token'])
    await expectLimited(introspectAs('nobody'), newAddress(), [401, 'invalid_token'])
    expect((await introspectAs('helpdesk')(PASSWORD, from)).status).toBe(200)
    const entries = async () =>
      (await auditOf(running, '&action=introspection_attempt')).filter(
        ({ actor }) => actor === `address:${from}`,
      )
    await expect
      .poll(entries)
      .toMatchObject([{ outcome: 'refused', user: null, reason: 'POST /v1/introspect' }])
    clock.advance(60)
    await introspectAs('helpdesk')('guess', from)
    await expect.poll(async () => (await entries()).length).toBe(2)
  })

  test('of tokens at the introspection endpoint get 429, and are audited too', async () => {
    const from = newAddress()
    const ask: Call = (token, from) =>
      post('/v1/introspect', from, { headers: { authorization: `Bearer ${token}` } })
    await expectLimited(ask, from, [401, 'invalid_token'])
    await expect
      .poll(async () => await auditOf(running, '&action=introspection_attempt'))
      .toContainEqual(expect.objectContaining({ actor: `address:${from}` }))
  })

  test('of logout tokens get 429; a good one from the same address is taken', async () => {
    const from = newAddress()
    await expectLimited(logOut, from, [400, 'invalid_request'])
    const forged = logoutToken({ sub: 'alice' }).replace(/[^.]+$/, (mac) => mac.toUpperCase())
    await expectRefused(logOut, forged, from)
    expect((await logOut(logoutToken({ sub: 'mallory' }), from)).status).toBe(200)
  })

  test('of all kinds count together', async () => {
    const from = newAddress()
    const calls = [mint, send, introspectAs('helpdesk'), logOut, introspectAs('everything')]
    for (const call of calls) expect([400, 401]).toContain((await call('guess', from)).status)
    for (const call of calls) await expectRefused(call, 'guess', from)
    expect((await mint(tokenOf('alice'), from)).status).toBe(200)
  })

  test('what was good once is told apart and does not count', async () => {
    const from = newAddress()
    const secret = await secretOf()
    const cancelled = await secretOf('bob')
    expect((await signOut(running, tokenOf('bob'))).status).toBe(204)
    const logout = logoutToken({ sub: 'carol' })
    const used = logoutToken({ sub: 'carol' })
    expect((await logOut(used, from)).status).toBe(200)
    const token = tokenOf('dora', { exp: Math.floor(clock.now() / 1000) + 60 })
    clock.advance(900)
    for (let n = 0; n < 2 * ALLOWED; n++) {
      expectProblem(await mint(token, from), 401, 'token_expired')
      expectProblem(await send(secret, from), 401, 'invalid_token')
      expectProblem(await send(cancelled, from), 401, 'invalid_token')
      expectProblem(await logOut(logout, from), 400, 'invalid_request')
      expectProblem(await logOut(used, from), 400, 'invalid_request')
    }
    await expectLimited(mint, from, [401, 'invalid_token'])
    expectProblem(await mint(token, from), 401, 'token_expired')
  })

  describe('an introspection client of one workflow', () => {
    test('learns of no other: active is false, and nothing else is said', async () => {
      const from = newAddress()
      const helpdesk = await secretOf()
      const answer = await running.mint(tokenOf('alice'), {
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ workflow: 'shop' }),
      })
      const shop = JSON.parse(await answer.text()).client_secret
      const seen = async (id: string, secret: string) =>
        JSON.parse((await introspectAs(id, secret)(PASSWORD, from)).body)
      expect(await seen('helpdesk', helpdesk)).toMatchObject({ active: true, sub: 'alice' })
      expect(await seen('helpdesk', shop)).toEqual({ active: false })
      expect(await seen('everything', shop)).toMatchObject({ active: true, workflow: 'shop' })
      expect(await seen('everything', helpdesk)).toMatchObject({ active: true })
    })
  })
})
