import { createRemoteJWKSet, decodeJwt, jwtVerify } from 'jose'
import { beforeEach, describe, expect, test } from 'vitest'
import {
  ADMINS,
  askAdmin,
  callAdmin,
  expectRefusedMint,
  mintWith,
  type PageSeen,
  revoke,
  type SessionSeen,
  secretOf,
  sessionsOf,
} from '../support/admin-calls.ts'
import { PUBLIC_URL, selfHostedConfig, sidOf } from '../support/chatkit/self-hosted.ts'
import { ISSUER, type Running, startService, tokenFor } from '../support/running-service.ts'

const server = 'http://127.0.0.1:9/chatkit'
const more = ADMINS

let running: Running

async function start(parts: Partial<Parameters<typeof selfHostedConfig>[0]> = {}): Promise<void> {
  const config = selfHostedConfig({ server, more, ...parts })
  running = await startService({ config, env: { PUBLIC_URL } })
}

test('the answer is a client secret alone: a JWT for one workflow, user and session', async () => {
  await start()
  const before = Math.floor(Date.now() / 1000)
  const response = await running.mint(tokenFor('alice'))
  expect(response.status).toBe(200)
  const body = JSON.parse(await response.text())
  expect(Object.keys(body)).toEqual(['client_secret'])
  const keys = createRemoteJWKSet(new URL(`${running.url}/.well-known/jwks.json`))
  const { payload, protectedHeader } = await jwtVerify(body.client_secret, keys)
  expect(payload).toEqual({
    iss: PUBLIC_URL,
    aud: 'chatkit:helpdesk',
    sub: 'alice',
    sid: expect.stringMatching(/^cksess_[\w-]{16,}$/),
    jti: expect.stringMatching(/^.{16,}$/),
    iat: expect.any(Number),
    exp: expect.any(Number),
  })
  expect(protectedHeader).toEqual({
    alg: 'ES256',
    kid: expect.any(String),
    typ: 'chatkit-secret+jwt',
  })
  expect(payload.iat).toBeGreaterThanOrEqual(before)
  expect((payload.exp ?? 0) - (payload.iat ?? 0)).toBe(600)
  expect(running.upstream.requests()).toEqual([])
  expect(running.logText()).not.toContain(body.client_secret)
})

test('no two client secrets have the same sid or jti', async () => {
  await start()
  const claims = [await secretOf(running), await secretOf(running)].map((secret) =>
    decodeJwt(secret),
  )
  expect(new Set(claims.map(({ sid }) => sid)).size).toBe(2)
  expect(new Set(claims.map(({ jti }) => jti)).size).toBe(2)
})

test('a client secret lives as long as the config says, and no longer than the token if it says so', async () => {
  const config = selfHostedConfig({ server, workflow: '    expires_after: { seconds: 120 }\n' })
  const ends = `- issuer: ${ISSUER}\n    sessions_end_with_token: true`
  running = await startService({
    config: config.replace(`- issuer: ${ISSUER}`, ends),
    env: { PUBLIC_URL },
  })
  const seconds = (secret: string) => {
    const { iat = 0, exp = 0 } = decodeJwt(secret)
    return exp - iat
  }
  expect(seconds(await secretOf(running))).toBe(120)
  const now = Math.floor(Date.now() / 1000)
  const short = await secretOf(running, 'alice', { exp: now + 60 })
  expect(seconds(short)).toBeLessThanOrEqual(60)
  expect(decodeJwt(short).exp).toBeLessThanOrEqual(now + 60)
})

test('a client secret and the log do not hold the state variables', async () => {
  await start({ workflow: `    state_variables: { plan: 'claims.plan' }\n` })
  const secret = await secretOf(running, 'alice', { plan: 'planted-state' })
  for (const part of secret.split('.')) {
    expect(Buffer.from(part, 'base64url').toString()).not.toContain('planted-state')
  }
  expect(running.logText()).not.toContain('planted-state')
})

test('any user that a token can name is the sub of the client secret', async () => {
  await start()
  for (const user of ['a|b', 'ü🦊', '"quoted"\\', 'x'.repeat(200)]) {
    expect(decodeJwt(await secretOf(running, user)).sub).toBe(user)
  }
})

test('a self-hosted workflow is refused with 403 to a user for whom its `when` is false', async () => {
  await start({ workflow: `    when: '"pro" in claims.groups'\n` })
  const own = { workflow: 'helpdesk' }
  await expectRefusedMint(running, tokenFor('alice'), [403, 'workflow_not_allowed'], own)
  const { sub } = decodeJwt(await secretOf(running, 'alice', { groups: ['pro'] }))
  expect(sub).toBe('alice')
})

describe('a self-hosted session', () => {
  beforeEach(() => start())

  test('an admin sees self-hosted sessions, without their secret or state', async () => {
    const secret = await secretOf(running)
    const [session] = await sessionsOf(running, 'alice')
    expect(session).toMatchObject({ id: sidOf(secret), user: 'alice', status: 'active' })
    expect(JSON.stringify(session)).not.toContain(secret.split('.')[2])
    const page = await askAdmin<PageSeen<SessionSeen>>(running, 'GET /sessions?status=active')
    expect(page.data.map(({ id }) => id)).toContain(sidOf(secret))
  })

  test('a cancel of a self-hosted session is confirmed at once, and no upstream is asked', async () => {
    const [first, second] = [await secretOf(running), await secretOf(running)]
    const answer = await callAdmin(running, `POST /sessions/${sidOf(first)}/cancel`)
    expect(answer.status).toBe(200)
    expect(answer.json()).toMatchObject({ id: sidOf(first), status: 'cancelled' })
    const again = await callAdmin(running, `POST /sessions/${sidOf(first)}/cancel`)
    expect(again.json()).toMatchObject({ status: 'cancelled' })
    const seen = await callAdmin(running, `GET /sessions/${sidOf(second)}`)
    expect(seen.json()).toMatchObject({ status: 'active' })
    expect(running.upstream.requests()).toEqual([])
  })

  test('a revoke ends all self-hosted sessions of a user, and its block refuses the next mint', async () => {
    const sids = [await secretOf(running), await secretOf(running)].map(sidOf)
    const seen = await revoke(running, 'alice', { block_seconds: 60 })
    expect(seen.cancelled.toSorted()).toEqual(sids.toSorted())
    expect(seen.cancelling).toEqual([])
    await expectRefusedMint(running, tokenFor('alice'), [403, 'user_blocked'])
    expect((await callAdmin(running, 'DELETE /users/alice/block')).status).toBeLessThan(300)
    await secretOf(running)
    expect(running.upstream.requests()).toEqual([])
  })

  test('a refresh replaces the session of the client secret that it brings', async () => {
    const first = await secretOf(running)
    const beside = await secretOf(running)
    const token = tokenFor('alice')
    const response = await mintWith(running, token, { current_client_secret: first })
    const second = JSON.parse(await response.text()).client_secret
    expect(sidOf(second)).not.toBe(sidOf(first))
    const state = async (secret: string) => {
      const answer = await callAdmin(running, `GET /sessions/${sidOf(secret)}`)
      return answer.json() as { status: string }
    }
    expect(await state(first)).toMatchObject({ status: 'replaced' })
    expect(await state(beside)).toMatchObject({ status: 'active' })
    expect(await state(second)).toMatchObject({ status: 'active' })
  })
})
