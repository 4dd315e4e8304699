import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  createLocalJWKSet,
  decodeJwt,
  decodeProtectedHeader,
  type JSONWebKeySet,
  jwtVerify,
} from 'jose'
import { describe, expect, test } from 'vitest'
import { makeSigningKeys } from '../../../src/chatkit/signing/signing-keys.ts'
import {
  ADA,
  ADMIN_CONFIG,
  askAdmin,
  callAdmin,
  type PageSeen,
  revoke,
  secretOf,
  sessionsOf,
  signOut,
} from '../../support/admin-calls.ts'
import { expectProblem } from '../../support/problem-answer.ts'
import { ISSUER, startService, tokenFor } from '../../support/running-service.ts'
import { scratchFolder } from '../../support/scratch-folder.ts'
import { forAllTests } from '../../support/started.ts'

const PUBLIC_URL = 'https://chat.example.com'
const running = forAllTests(() => startService({ config: ADMIN_CONFIG, env: { PUBLIC_URL } }))

const keySet = async (url = running.url): Promise<JSONWebKeySet> => {
  const response = await fetch(`${url}/.well-known/jwks.json`)
  return (await response.json()) as JSONWebKeySet
}

async function receiptOf(user: string, query = '') {
  const answer = await callAdmin(running, `GET /users/${user}/receipt${query}`)
  expect([answer.status, answer.headers['content-type']]).toEqual([200, 'application/jose'])
  const keys = createLocalJWKSet(await keySet())
  const expected = { issuer: PUBLIC_URL, typ: 'chatkit-receipt+jwt' }
  return (await jwtVerify(answer.body, keys, expected)).payload
}

const now = () => Math.floor(Date.now() / 1000)

describe('a receipt', () => {
  test('says what was live, what ended it, and what the upstream confirmed, under our signature', async () => {
    await secretOf(running, 'alice')
    const [live] = await sessionsOf(running, 'alice')
    const started = now()
    const before = await receiptOf('alice')
    const session = {
      id: live?.id,
      workflow: 'support',
      created_at: live?.created_at,
      expires_at: live?.expires_at,
    }
    expect(before).toEqual({
      iss: PUBLIC_URL,
      iat: expect.any(Number),
      user: 'alice',
      blocked_until: null,
      sessions: [{ ...session, status: 'active', ended_at: null, confirmed_at: null, by: null }],
      from: expect.any(Number),
      generation: 0,
      truncated: false,
    })
    expect(Number(before['from'])).toBe(Number(before.iat) - 24 * 3600)
    const { blocked_until: until } = await revoke(running, 'alice', { block_seconds: 60 })
    const after = await receiptOf('alice')
    const [ended] = after['sessions'] as { ended_at: number; confirmed_at: number }[]
    expect(after).toMatchObject({
      blocked_until: until,
      generation: 1,
      sessions: [{ ...session, status: 'cancelled', by: ADA }],
    })
    expect(ended?.ended_at).toBeGreaterThanOrEqual(started)
    expect(ended?.confirmed_at).toBeGreaterThanOrEqual(ended?.ended_at ?? 0)
  })

  test('has its own type, the key that is published, and an entry in the audit', async () => {
    const { body } = await callAdmin(running, 'GET /users/watched/receipt')
    const { keys } = await keySet()
    expect(decodeProtectedHeader(body)).toEqual({
      alg: 'ES256',
      kid: keys[0]?.kid,
      typ: 'chatkit-receipt+jwt',
    })
    const { data } = await askAdmin<PageSeen<unknown>>(running, 'GET /audit?user=watched&limit=2')
    expect(data[1]).toMatchObject({
      action: 'admin_read',
      actor: ADA,
      reason: 'GET /v1/admin/users/:user/receipt',
    })
  })

  test('leaves unconfirmed what the upstream did not confirm', async () => {
    await secretOf(running, 'bob')
    running.upstream.setFaults({ status: 500 })
    await revoke(running, 'bob')
    const { sessions } = await receiptOf('bob')
    running.upstream.setFaults({})
    expect(sessions).toMatchObject([{ status: 'cancelling', confirmed_at: null, by: ADA }])
  })

  test('names the user after a sign-out', async () => {
    await secretOf(running, 'carol')
    await signOut(running, tokenFor('carol'))
    expect(await receiptOf('carol')).toMatchObject({ sessions: [{ by: `${ISSUER}|carol` }] })
  })

  test('leaves out sessions that had ended before `since`, and names that time', async () => {
    await secretOf(running, 'dave')
    await revoke(running, 'dave')
    await secretOf(running, 'dave')
    const statuses = async (since: number) => {
      const receipt = await receiptOf('dave', `?since=${since}`)
      const sessions = receipt['sessions'] as { status: string }[]
      return [receipt['from'], ...sessions.map(({ status }) => status)]
    }
    const start = now() - 3600
    expect(await statuses(start)).toEqual([start, 'active', 'cancelled'])
    const [from, ...live] = await statuses(now() + 60)
    expect(live).toEqual(['active'])
    expect(from).toBeLessThanOrEqual(now())
  })

  test('of a user never seen is empty, and signed', async () => {
    const empty = { user: 'nobody', sessions: [], generation: 0, truncated: false }
    expect(await receiptOf('nobody')).toMatchObject(empty)
  })

  test('is not called complete for the time before an erase', async () => {
    await secretOf(running, 'erin')
    const begun = now()
    await callAdmin(running, 'POST /users/erin/erase')
    const receipt = await receiptOf('erin')
    expect(receipt).toMatchObject({ sessions: [] })
    expect(Number(receipt['from'])).toBeGreaterThanOrEqual(begun)
  })

  test('is called complete only as far back as the audit goes, which tells of an erase', async () => {
    const config = `${ADMIN_CONFIG}\nretention: { sessions_hours: 48, audit_days: 1 }\n`
    const service = await startService({ config, env: { PUBLIC_URL } })
    const { body } = await callAdmin(service, 'GET /users/alice/receipt')
    const { from, iat } = decodeJwt(body)
    expect(Number(iat) - Number(from)).toBe(24 * 3600)
  })

  test.each(['since=x', 'since=-1', 'since=', 'since=1&since=2', 'until=1', 'limit=1'])(
    'is refused with ?%s',
    async (query) => {
      const answer = await callAdmin(running, `GET /users/alice/receipt?${query}`)
      expectProblem(answer, 400, 'invalid_request')
    },
  )
})

test('without PUBLIC_URL there are no receipts, but the key set of a key file is still published', async () => {
  const file = join(scratchFolder(), 'keys.json')
  writeFileSync(file, makeSigningKeys('EdDSA'), { mode: 0o600 })
  const none = await startService({ config: ADMIN_CONFIG })
  const withFile = await startService({ config: ADMIN_CONFIG, env: { SIGNING_KEY_FILE: file } })
  for (const one of [none, withFile]) {
    expectProblem(await callAdmin(one, 'GET /users/alice/receipt'), 404, 'not_found')
  }
  expect((await fetch(`${none.url}/.well-known/jwks.json`)).status).toBe(404)
  expect((await keySet(withFile.url)).keys).toMatchObject([{ kty: 'OKP', alg: 'EdDSA' }])
  expect(JSON.stringify(await keySet(withFile.url))).not.toContain(
    JSON.parse(readFileSync(file, 'utf8')).keys[0].d,
  )
})
