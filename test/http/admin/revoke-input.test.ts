import { describe, expect, test } from 'vitest'
import {
  ADMIN_CONFIG,
  callAdmin,
  expectRefusedMint,
  revoke,
  secretOf,
  sessionsOf,
  upstreamStatus,
} from '../../support/admin-calls.ts'
import { expectProblem } from '../../support/problem-answer.ts'
import { serviceOnSqlite } from '../../support/registry/each-store.ts'
import { ISSUER, tokenFor } from '../../support/running-service.ts'

const YEAR = 31_536_000

const running = serviceOnSqlite(ADMIN_CONFIG)

describe('a revoke names in its path any user that can be mapped, such as', () => {
  test.each([
    'a/b/c',
    'https://login.acme.example/|auth0|5f7c8ec7c33c6c004bbafe82',
    'a%2Fb',
    'a%252Fb',
    '100%',
    'emoji 😀🇩🇪',
    'ünïcödé',
    '{"json": "user"}',
    'a?b#c&d=e;f+g',
    '../../v1/sessions',
    '...',
    '\\\\host\\share',
    ':user',
    '*',
    '__proto__',
    'x'.repeat(255),
    "'; DROP TABLE sessions; --",
    ' leading and trailing ',
  ])('%s', async (user) => {
    // The default rule is claims.sub, so the subject is the user.
    const secret = await secretOf(running, user)
    const answer = await revoke(running, user, { block_seconds: 60 })
    expect(answer.user).toBe(user)
    expect(answer.cancelled).toEqual((await sessionsOf(running, user)).map(({ id }) => id))
    expect(answer.cancelled).toHaveLength(1)
    expect(upstreamStatus(running, secret)).toBe('cancelled')
    await expectRefusedMint(running, tokenFor(user), [403, 'user_blocked'])
    const lift = await callAdmin(running, `DELETE /users/${encodeURIComponent(user)}/block`)
    expect(lift.status).toBe(204)
    expect((await running.mint(tokenFor(user))).status).toBe(200)
  })

  test('U+FFFD, also in the body of a revoke', async () => {
    const user = 'a\ufffd'
    await secretOf(running, user)
    const body = { user, block_seconds: 60 }
    const answer = await callAdmin(running, 'POST /revoke', { body })
    expect(answer.json()).toMatchObject({ user, known: true })
    await expectRefusedMint(running, tokenFor(user), [403, 'user_blocked'])
  })

  test('512 characters beyond the BMP', async () => {
    const user = '😀'.repeat(512)
    expect(await revoke(running, user)).toMatchObject({ user, cancelled: [] })
  })
})

describe('a revoke is refused and changes nothing', () => {
  const users = ['%FF', '%C0%AF', '%zz', '%', '%00', 'a%0Ab', 'x'.repeat(513)]
  test.each(users)('for the user %s with 400', async (user) => {
    for (const line of [`POST /users/${user}/revoke`, `DELETE /users/${user}/block`]) {
      const answer = await callAdmin(running, line)
      expectProblem(answer, 400, 'invalid_request')
    }
  })

  test('for an empty user with 404 in the path and 400 in the body', async () => {
    expectProblem(await callAdmin(running, 'POST /users//revoke'), 404, 'not_found')
    const body = { user: '', block_seconds: 60 }
    expectProblem(await callAdmin(running, 'POST /revoke', { body }), 400, 'invalid_request')
  })

  test('null in optional fields counts as absence', async () => {
    const absent = { block_seconds: null, reason: null }
    const inPath = await callAdmin(running, 'POST /users/nulls/revoke', { body: absent })
    expect(inPath).toMatchObject({ status: 200 })
    const body = { user: 'nulls', issuer: null, subject: null, ...absent }
    expect(await callAdmin(running, 'POST /revoke', { body })).toMatchObject({ status: 200 })
    expect(JSON.parse(inPath.body)).toMatchObject({ blocked_until: null })
    const nobody = { user: null, block_seconds: 60 }
    expectProblem(
      await callAdmin(running, 'POST /revoke', { body: nobody }),
      400,
      'invalid_request',
    )
  })

  test.each<Record<string, unknown>>([
    { block_seconds: -1 },
    { block_seconds: YEAR + 1 },
    { block_seconds: 1.5 },
    { block_seconds: '60' },
    { unknown: null },
    { block_seconds: true },
    { block_seconds: [60] },
    { block_seconds: 2 ** 53 },
    { reason: 7 },
    { reason: 'x'.repeat(501) },
    { reason: '\ud800' },
    { block: 60 },
  ])('for the body %j with 400', async (fields) => {
    const secret = await secretOf(running, 'kept')
    const inPath = await callAdmin(running, 'POST /users/kept/revoke', { body: fields })
    expectProblem(inPath, 400, 'invalid_request')
    const body = { user: 'kept', ...fields }
    expectProblem(await callAdmin(running, 'POST /revoke', { body }), 400, 'invalid_request')
    expect(upstreamStatus(running, secret)).toBe('active')
  })

  test.each<unknown>([[], 'text', 7, null, { user: 'kept' }])(
    'POST /users/kept/revoke with %j: 400',
    async (body) => {
      const answer = await callAdmin(running, 'POST /users/kept/revoke', { body })
      expectProblem(answer, 400, 'invalid_request')
    },
  )

  test.each<unknown>([
    {},
    { block_seconds: 60 },
    { issuer: ISSUER },
    { subject: 'kept' },
    { user: 'kept', issuer: ISSUER, subject: 'kept' },
    { issuer: ISSUER, subject: '' },
    { issuer: ISSUER, subject: 'x'.repeat(256) },
    { user: 'a\u0000b' },
    { user: '\ud800' },
    { user: 7 },
    { user: ['kept'] },
    undefined,
  ])('for POST /revoke with %j with 400', async (body) => {
    expectProblem(await callAdmin(running, 'POST /revoke', { body }), 400, 'invalid_request')
  })

  test('for block_seconds that is no whole number', async () => {
    for (const number of ['1e400', '-0.5', '60.0000001', '1e-1']) {
      const response = await fetch(`${running.url}/v1/admin/users/kept/revoke`, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${tokenFor('ada', { roles: ['chatkit-admin'] })}`,
          'content-type': 'application/json',
        },
        body: `{"block_seconds":${number}}`,
      })
      expect(response.status).toBe(400)
    }
    expect((await running.mint(tokenFor('kept'))).status).toBe(200)
  })

  test('for any query', async () => {
    for (const line of [
      'POST /users/kept/revoke?block_seconds=60',
      'POST /revoke?user=kept',
      'DELETE /users/kept/block?x=1',
      'POST /users/kept/revoke?x=1&x=1',
    ]) {
      const body = line.startsWith('POST /revoke') ? { user: 'kept' } : undefined
      expectProblem(await callAdmin(running, line, { body }), 400, 'invalid_request')
    }
    expect((await running.mint(tokenFor('kept'))).status).toBe(200)
  })

  test('for another content type with 415, also when the body is wrong', async () => {
    const answer = await callAdmin(running, 'POST /users/kept/revoke?x=1', {
      body: [],
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
    })
    expectProblem(answer, 415, 'unsupported_media_type')
  })
})
