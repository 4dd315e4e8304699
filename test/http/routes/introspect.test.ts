import { createHash } from 'node:crypto'
import { decodeJwt } from 'jose'
import { describe, expect, test } from 'vitest'
import { CLIENT_SECRET_TYPE } from '../../../src/chatkit/signing/client-secret.ts'
import { makeSigningKeys, readSigningKeys } from '../../../src/chatkit/signing/signing-keys.ts'
import {
  ADMINS,
  adminToken,
  callAdmin,
  mintWith,
  revoke,
  secretOf,
  signOut,
} from '../../support/admin-calls.ts'
import { PUBLIC_URL, selfHostedConfig, sidOf } from '../../support/chatkit/self-hosted.ts'
import { stoppedClock } from '../../support/issuer-settings.ts'
import { answerOf, expectBothSchemes, expectProblem } from '../../support/problem-answer.ts'
import { signer, startService, tokenFor } from '../../support/running-service.ts'
import { forEachTest } from '../../support/started.ts'

const PASSWORD = 'the helpdesk’s own: with a colon'
const hash = createHash('sha256').update(PASSWORD).digest('hex')
const CLIENTS = `introspection: { clients: [{ id: helpdesk, secret_sha256: 'sha256:${hash}' }] }`
const config = (more = `${ADMINS}\n${CLIENTS}`) =>
  selfHostedConfig({
    server: 'http://127.0.0.1:9/chatkit',
    workflow: `    state_variables: { plan: 'has(claims.plan) ? claims.plan : "free"', seats: '3' }
  other:
    server: http://127.0.0.1:9/other
`,
    more,
  })

const clock = stoppedClock(Date.now())
const running = forEachTest(() =>
  startService({ config: config(), env: { PUBLIC_URL }, now: clock.now }),
)

const basic = (id: string, password: string) =>
  `Basic ${Buffer.from(`${id}:${password}`).toString('base64')}`
const CLIENT = basic('helpdesk', PASSWORD)

/** Makes tokens by the service's clock. */
const token = (user: string, claims: Readonly<Record<string, unknown>> = {}) => {
  const now = Math.floor(clock.now() / 1000)
  return tokenFor(user, { iat: now, exp: now + 3600, ...claims })
}
const secretFor = (user = 'alice', claims = {}) =>
  secretOf({ mint: () => running.mint(token(user, claims)) })

async function introspect(
  secret: string | undefined,
  authorization: string | undefined = CLIENT,
): Promise<Response> {
  return fetch(`${running.url}/v1/introspect`, {
    method: 'POST',
    headers: authorization === '' ? {} : { authorization },
    body: new URLSearchParams(secret === undefined ? {} : { token: secret }),
  })
}

async function answer(secret: string, authorization?: string): Promise<unknown> {
  const response = await introspect(secret, authorization)
  expect(response.status).toBe(200)
  expect(response.headers.get('cache-control')).toBe('no-store')
  return response.json()
}

describe('a live secret', () => {
  test('is answered with fields that the API description names, each of them', async () => {
    const fields = Object.keys((await answer(await secretFor())) as object)
    const description = (await (await fetch(`${running.url}/openapi.json`)).json()) as {
      components: { schemas: { Introspection: { properties: object } } }
    }
    const { properties } = description.components.schemas.Introspection
    expect(Object.keys(properties).toSorted()).toEqual(fields.toSorted())
  })

  test('is active, with its claims and the state variables that it does not hold', async () => {
    const secret = await secretFor('alice', { plan: 'pro' })
    const { iat, exp, sid } = decodeJwt(secret)
    expect(await answer(secret)).toEqual({
      active: true,
      iss: PUBLIC_URL,
      aud: 'chatkit:helpdesk',
      sub: 'alice',
      sid,
      iat,
      exp,
      workflow: 'helpdesk',
      state: { plan: 'pro', seats: 3 },
    })
  })

  test('of another workflow says which, and has no state when that has none', async () => {
    const response = await mintWith(running, token('alice'), { workflow: 'other' })
    const { client_secret } = JSON.parse(await response.text())
    const seen = await answer(client_secret)
    expect(seen).toMatchObject({ active: true, aud: 'chatkit:other', workflow: 'other' })
    expect(seen).not.toHaveProperty('state')
  })

  test('is active to an admin too', async () => {
    const admin = `Bearer ${token('ada', { roles: ['chatkit-admin'] })}`
    expect(await answer(await secretFor(), admin)).toMatchObject({ active: true, sub: 'alice' })
  })
})

describe('{"active": false} and no more', () => {
  const inactive = async (secret: string) => expect(await answer(secret)).toEqual({ active: false })

  test('cancelled by an admin', async () => {
    const secret = await secretFor()
    expect(await answer(secret)).toMatchObject({ active: true })
    const admin = token('ada', { roles: ['chatkit-admin'] })
    const cancelled = await callAdmin(running, `POST /sessions/${sidOf(secret)}/cancel`, {
      token: admin,
    })
    expect(cancelled.status).toBe(200)
    await inactive(secret)
  })

  test('revoked with its user', async () => {
    const [secret, other] = [await secretFor(), await secretFor('bob')]
    await revoke(running, 'alice')
    await inactive(secret)
    expect(await answer(other)).toMatchObject({ active: true, sub: 'bob' })
  })

  test('revoked with its user by an instance whose clock is ahead', async () => {
    const secret = await secretFor()
    clock.advance(601)
    await revoke(running, 'alice')
    clock.advance(-601)
    await inactive(secret)
  })

  test('signed out', async () => {
    const secret = await secretFor()
    expect((await signOut(running, token('alice'))).status).toBe(204)
    await inactive(secret)
  })

  test('expired, to the second', async () => {
    const secret = await secretFor()
    const { exp = 0 } = decodeJwt(secret)
    clock.advance(exp - 1 - Math.floor(clock.now() / 1000))
    expect(await answer(secret)).toMatchObject({ active: true })
    clock.advance(1)
    await inactive(secret)
  })

  test('a secret of a hosted workflow', async () => {
    const response = await mintWith(running, token('alice'), { workflow: 'support' })
    await inactive(JSON.parse(await response.text()).client_secret)
  })

  test('a token of a user, of an admin, of nobody', async () => {
    await inactive(token('alice'))
    await inactive(token('ada', { roles: ['chatkit-admin'] }))
    for (const text of ['', 'x', 'a.b.c', 'ek_123', 'x'.repeat(10_000)]) await inactive(text)
  })

  test('a secret with a changed signature', async () => {
    const secret = await secretFor()
    const at = secret.lastIndexOf('.') + 5
    await inactive(secret.slice(0, at) + (secret[at] === 'A' ? 'B' : 'A') + secret.slice(at + 1))
  })

  test('the claims of a secret under another key, or under a user’s', async () => {
    const claims = decodeJwt(await secretFor())
    const foreign = readSigningKeys(makeSigningKeys(), 'test')
    await inactive(foreign.sign(claims, CLIENT_SECRET_TYPE))
    await inactive(signer.token(claims, { typ: CLIENT_SECRET_TYPE }))
    const none = Buffer.from('{"alg":"none"}').toString('base64url')
    await inactive(`${none}.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.`)
  })
})

describe('the caller of introspection', () => {
  test('is refused without a credential', async () => {
    expectBothSchemes(await answerOf(await introspect('x', '')), 'missing_token')
  })

  test.each([
    ['a wrong secret', basic('helpdesk', 'wrong')],
    ['the hash itself', basic('helpdesk', hash)],
    ['no secret', basic('helpdesk', '')],
    ['an unknown client', basic('other', PASSWORD)],
    ['no id', basic('', PASSWORD)],
    ['no colon', `Basic ${Buffer.from('helpdesk').toString('base64')}`],
  ])('is refused with %s', async (_what, authorization) => {
    const secret = await secretFor()
    const refused = await answerOf(await introspect(secret, authorization))
    expectBothSchemes(refused, 'invalid_token')
    expect(running.logText()).not.toContain(secret)
  })

  test('may be an OAuth client that sends its id and secret form-encoded', async () => {
    const secret = await secretFor()
    const encoded = (text: string) => encodeURIComponent(text).replaceAll('%20', '+')
    const all = [...'helpdesk'].map((char) => `%${char.charCodeAt(0).toString(16)}`).join('')
    for (const id of ['helpdesk', all]) {
      expect(await answer(secret, basic(id, encoded(PASSWORD)))).toMatchObject({ active: true })
    }
    const wrong = await answerOf(await introspect(secret, basic('helpdesk', encoded('wrong one'))))
    expectBothSchemes(wrong, 'invalid_token')
  })

  test('is refused with a user’s token, and with the secret itself', async () => {
    const secret = await secretFor()
    const user = `Bearer ${token('alice')}`
    const forbidden = await introspect(secret, user)
    expect(forbidden.headers.get('www-authenticate')).toBeNull()
    expectProblem(await answerOf(forbidden), 403, 'admin_required')
    const self = await answerOf(await introspect(secret, `Bearer ${secret}`))
    expectBothSchemes(self, 'invalid_token')
  })

  test('must be a client where there are no admins, and is always refused where there are neither', async () => {
    for (const [more, status] of [
      [CLIENTS, 200],
      ['', 401],
    ] as const) {
      const own = await startService({ config: config(more), env: { PUBLIC_URL } })
      const call = async (authorization: string) => {
        const { status: answered, headers } = await fetch(`${own.url}/v1/introspect`, {
          method: 'POST',
          headers: { authorization },
          body: new URLSearchParams({ token: 'x' }),
        })
        const hasBasic = headers.get('www-authenticate')?.includes('Basic') ?? false
        if (answered === 401) expect(hasBasic).toBe(more === CLIENTS)
        return answered
      }
      expect(await call(CLIENT)).toBe(status)
      expect(await call(`Bearer ${adminToken()}`)).toBe(401)
    }
  })
})

describe('the request', () => {
  test('is a form with one token', async () => {
    expectProblem(await answerOf(await introspect(undefined)), 400, 'invalid_request')
    const post = (body: string, type: string) =>
      fetch(`${running.url}/v1/introspect`, {
        method: 'POST',
        headers: { authorization: CLIENT, 'content-type': type },
        body,
      })
    const form = 'application/x-www-form-urlencoded'
    expectProblem(await answerOf(await post('token=a&token=b', form)), 400, 'invalid_request')
    const json = await answerOf(await post('{"token":"a"}', 'application/json'))
    expectProblem(json, 415, 'unsupported_media_type')
    const hinted = await post('token=a&token_type_hint=access_token', form)
    expect(await hinted.json()).toEqual({ active: false })
  })
})
