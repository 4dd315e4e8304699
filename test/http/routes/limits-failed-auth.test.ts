import { describe, expect, test } from 'vitest'
import { createSqliteRegistry } from '../../../src/registry/sqlite.ts'
import { ADMINS, callAdmin, signOut } from '../../support/admin-calls.ts'
import { stoppedClock } from '../../support/issuer-settings.ts'
import { answerOf, expectProblem } from '../../support/problem-answer.ts'
import type { RawAnswer } from '../../support/raw-http.ts'
import { onSqlite } from '../../support/registry/each-store.ts'
import { createFaultyRegistry } from '../../support/registry/faulty-registry.ts'
import {
  claimsOf,
  DEFAULT_CONFIG,
  HIGH_LIMITS,
  type Running,
  signer,
  startService,
  tokenFor,
} from '../../support/running-service.ts'

const LIMIT = 'limits: { failed_auth_per_ip: { max: 3, seconds: 60 } }'
const CONFIG = `${DEFAULT_CONFIG.replace(HIGH_LIMITS, LIMIT)}\n${ADMINS}\n`
const PROXIED = `${CONFIG}trusted_proxies: [127.0.0.0/8, 10.0.0.0/8, '2001:db8:ffff::/48']\n`
const BAD = 'a.b.c'

let running: Running

async function mint(token: string, forwarded?: string, name = 'x-forwarded-for') {
  const headers = forwarded === undefined ? {} : { [name]: forwarded }
  return answerOf(await running.mint(token, { headers }))
}

/** Fails as often as the limit allows. */
async function useUp(forwarded?: string, name?: string): Promise<void> {
  for (let n = 0; n < 3; n++) {
    const refused = await mint(BAD, forwarded, name)
    expectProblem(refused, 401, 'invalid_token')
    expect(refused.headers['ratelimit']).toMatch(`"failed-auth";r=${2 - n};`)
  }
}

function expectLimited(answer: RawAnswer): void {
  expectProblem(answer, 429, 'rate_limited')
  expect(answer.body).not.toContain('127.0.0.1')
}

test('failures beyond the limit are 429 until the window ends; a valid token is never refused', async () => {
  const clock = stoppedClock(Date.now())
  running = await startService({ config: CONFIG, env: onSqlite(), now: clock.now })
  await useUp()
  const refused = await mint(BAD)
  expectLimited(refused)
  expect(refused.headers).toMatchObject({
    'retry-after': '60',
    'ratelimit-policy': '"failed-auth";q=3;w=60',
    ratelimit: '"failed-auth";r=0;t=60',
  })
  for (let n = 0; n < 5; n++) {
    expect((await mint(tokenFor('alice'))).status).toBe(200)
    expectLimited(await mint(BAD))
  }
  clock.advance(60)
  expectProblem(await mint(BAD), 401, 'invalid_token')
})

describe('failures that count', () => {
  test('bad tokens, on every call that accepts one; an expired one has its own code', async () => {
    running = await startService({ config: CONFIG })
    const expired = tokenFor('alice', { exp: 1, iat: 0 })
    for (let n = 0; n < 5; n++) expectProblem(await mint(expired), 401, 'token_expired')
    expectProblem(await mint(BAD), 401, 'invalid_token')
    const admin = await callAdmin(running, 'GET /sessions', { token: BAD })
    expectProblem(admin, 401, 'invalid_token')
    expect((await signOut(running, BAD)).status).toBe(401)
    expectLimited(await mint(BAD))
    expectLimited(await callAdmin(running, 'GET /sessions', { token: BAD }))
    expectProblem(await mint(expired), 401, 'token_expired')
    expectLimited(await mint(expired.replace(/[^.]+$/, (mac) => mac.toUpperCase())))
    expect((await callAdmin(running, 'GET /sessions')).status).toBe(200)
  })

  test('not: no token, another origin, no admin, mints that are refused or fail', async () => {
    running = await startService({ config: CONFIG })
    for (let n = 0; n < 5; n++) {
      const none = await fetch(`${running.url}/v1/sessions`, { method: 'POST' })
      expect(none.status).toBe(401)
      expect(none.headers.has('ratelimit')).toBe(false)
      const evil = await running.mint(BAD, { headers: { origin: 'https://evil.example' } })
      expect(evil.status).toBe(403)
      const user = await callAdmin(running, 'GET /sessions', { token: tokenFor('bob') })
      expect(user.status).toBe(403)
    }
    await useUp()
  })

  test('not: an identity provider that is down', async () => {
    const issuer = 'http://127.0.0.1:9'
    const config = CONFIG.replace(
      'user:',
      `  - { issuer: '${issuer}', audience: [chat-api], algorithms: [ES256], jwks_uri: '${issuer}/jwks', user: 'issuer + "|" + claims.sub' }\nuser:`,
    )
      .replace('user: claims.sub', 'user: issuer + "|" + claims.sub')
      .replace('admins: {', "admins: { issuers: ['https://issuer.test'],")
    running = await startService({ config })
    const token = signer.token(claimsOf({ iss: issuer }), { alg: 'ES256', kid: 'x' })
    for (let n = 0; n < 5; n++) expectProblem(await mint(token), 503, 'idp_unavailable')
    await useUp()
  })

  test('without its counter a bad token is still a bad token', async () => {
    const registry = createFaultyRegistry(createSqliteRegistry({ path: ':memory:' }))
    running = await startService({ config: CONFIG, registry })
    registry.failing.add('consume')
    for (let n = 0; n < 5; n++) expectProblem(await mint(BAD), 401, 'invalid_token')
  })
})

describe('failures count for', () => {
  test('the peer, whatever forwarding headers it sends, without trusted proxies', async () => {
    running = await startService({ config: CONFIG })
    await useUp('198.51.100.1')
    expectLimited(await mint(BAD, '198.51.100.2'))
    expectLimited(await mint(BAD, '127.0.0.1, 10.0.0.1'))
    expectLimited(await mint(BAD, '198.51.100.3', 'forwarded'))
    expectLimited(await mint(BAD, '198.51.100.3', 'x-real-ip'))
    expectLimited(await mint(BAD, '198.51.100.3', 'fly-client-ip'))
  })

  test.each<[string, string, string]>([
    ['the client that the proxy names', '198.51.100.1', '198.51.100.2'],
    [
      'the nearest that is no proxy, not what the client made up',
      '203.0.113.9, 198.51.100.1, 10.0.0.7',
      '203.0.113.9, 198.51.100.2, 10.0.0.7',
    ],
  ])('behind a trusted proxy: %s', async (_name, first, second) => {
    running = await startService({ config: PROXIED })
    await useUp(first)
    expectLimited(await mint(BAD, first))
    expectLimited(await mint(BAD, first.replace('203.0.113.9', '203.0.113.77')))
    expectProblem(await mint(BAD, second), 401, 'invalid_token')
  })

  test('IPv6 by /64, in any spelling', async () => {
    running = await startService({ config: PROXIED })
    for (const address of [
      '2001:db8:1:2::1',
      '2001:0DB8:0001:0002:ffff:ffff:ffff:ffff',
      '2001:db8:1:2:3::',
    ]) {
      expectProblem(await mint(BAD, address), 401, 'invalid_token')
    }
    expectLimited(await mint(BAD, '2001:db8:1:2:a:b:c:d'))
    expectProblem(await mint(BAD, '2001:db8:1:3::1'), 401, 'invalid_token')
  })

  test('the address in the configured header, and in no other', async () => {
    running = await startService({ config: `${PROXIED}client_ip_header: fly-client-ip\n` })
    await useUp('198.51.100.1', 'fly-client-ip')
    expectLimited(await mint(BAD, '198.51.100.1', 'Fly-Client-IP'))
    expectProblem(await mint(BAD, '198.51.100.2', 'fly-client-ip'), 401, 'invalid_token')
    // X-Forwarded-For says nothing then: this is the proxy's own failure.
    expectProblem(await mint(BAD, '198.51.100.1'), 401, 'invalid_token')
  })
})
