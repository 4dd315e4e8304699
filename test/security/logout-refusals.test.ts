import { beforeEach, describe, expect, test } from 'vitest'
import { secretFrom, upstreamStatus } from '../support/admin-calls.ts'
import {
  expectRefusedLogout,
  key,
  LOGOUT_CONFIG,
  logoutClaims,
  logoutToken,
  OTHER_ISSUER,
  rsaKey,
  sendForm,
  sendLogout,
  userToken,
} from '../support/logout-calls.ts'
import { answerOf, expectEnvelope, expectProblem } from '../support/problem-answer.ts'
import { startService } from '../support/running-service.ts'
import { forAllTests } from '../support/started.ts'
import { createSigner, handMade } from '../support/tokens.ts'

// The refusals of the OpenID relying party tests for back-channel logout, and their neighbours: 400
// each, nothing ends, and the user's token still mints.

const seconds = () => Math.floor(Date.now() / 1000)

let secret: string
const running = forAllTests(() => startService({ config: LOGOUT_CONFIG }))
beforeEach(async () => {
  secret = await secretFrom(running, userToken('alice', { sid: 's1' }))
  running.upstream.clearRequests()
})

async function expectNothingEnded(): Promise<void> {
  expect(running.upstream.requests()).toEqual([])
  expect(upstreamStatus(running, secret)).toBe('active')
  expect((await running.mint(userToken('alice', { sid: 's1' }))).status).toBe(200)
}

// One of each step of the check. The others are with step 1: ../authenticate/logout-token.test.ts.
test.each<[string, () => string]>([
  ['alg none', () => handMade({ alg: 'none', typ: 'logout+jwt' }, logoutClaims(), key.sign)],
  ['another’s key under the same kid', () => createSigner('ES256', 'k1').token(logoutClaims())],
  ['RS256, whose key is published but not listed', () => rsaKey.token(logoutClaims())],
  ['no event', () => logoutToken({ events: {} })],
  ['an age of more than two minutes', () => logoutToken({ iat: seconds() - 125 })],
  ['iss of an issuer without logout', () => logoutToken({ iss: OTHER_ISSUER })],
  ['a user’s claims', () => userToken('alice', { sid: 's1' })],
  ['no JWT at all', () => 'alice'],
])('a token with %s ends nothing', async (_name, make) => {
  await expectRefusedLogout(running, make())
  await expectNothingEnded()
})

describe('the request', () => {
  const form = () => new URLSearchParams({ logout_token: logoutToken() })

  test.each<[string, () => string]>([
    ['without logout_token', () => 'x=1'],
    ['with an empty body', () => ''],
    ['with logout_token under another case', () => `Logout_Token=${logoutToken()}`],
    ['with two of them', () => `${form()}&${form()}`],
    ['with the same one twice', () => String(form()).replace(/.*/, '$&&$&')],
    ['with one and an empty one', () => `${form()}&logout_token=`],
  ])('%s is 400', async (_name, make) => {
    const type = { 'content-type': 'application/x-www-form-urlencoded' }
    expectProblem(await sendForm(running, make(), type), 400, 'invalid_request')
    await expectNothingEnded()
  })

  test.each([
    ['application/json', 'identity'],
    ['text/plain', 'identity'],
    ['multipart/form-data; boundary=x', 'identity'],
    ['application/jwt', 'identity'],
    ['application/x-www-form-urlencoded', 'gzip'],
  ])('with %s and the coding %s is 415', async (type, coding) => {
    const json = JSON.stringify({ logout_token: logoutToken() })
    const body = type.endsWith('json') ? json : String(form())
    const headers = { 'content-type': type, 'content-encoding': coding }
    const answer = await sendForm(running, body, headers)
    expectProblem(answer, 415, 'unsupported_media_type')
    await expectNothingEnded()
  })

  test.each([undefined, 'application/json', 'text/plain'])(
    'with no body and the type %s is 400, as a body of length 0 has no type',
    async (type) => {
      const answer = await answerOf(
        await fetch(`${running.url}/v1/backchannel-logout`, {
          method: 'POST',
          ...(type !== undefined && { headers: { 'content-type': type } }),
        }),
      )
      expectProblem(answer, 400, 'invalid_request')
    },
  )

  test('with an empty chunked body and no type is 400', async () => {
    const body = new ReadableStream({ start: (controller) => controller.close() })
    const init = { method: 'POST', body, duplex: 'half' } as const
    const answer = await answerOf(await fetch(`${running.url}/v1/backchannel-logout`, init))
    expectProblem(answer, 400, 'invalid_request')
  })

  test('of more than 16 KiB is 413', async () => {
    const body = new URLSearchParams({ x: 'x'.repeat(17_000), logout_token: logoutToken() })
    expectProblem(await sendForm(running, body), 413, 'body_too_large')
    await expectNothingEnded()
  })

  test('with the token in the query or as a bearer token, not in the form, is 400', async () => {
    const type = { 'content-type': 'application/x-www-form-urlencoded' }
    const sent = { method: 'POST', headers: type, body: 'x=1' }
    const query = await fetch(`${running.url}/v1/backchannel-logout?${form()}`, sent)
    expectProblem(await answerOf(query), 400, 'invalid_request')
    const authorization = `Bearer ${logoutToken()}`
    const bearer = await sendForm(running, 'x=1', { ...type, authorization })
    expectProblem(bearer, 400, 'invalid_request')
    await expectNothingEnded()
  })

  test('is 405 as a GET, and 403 from a page of another origin', async () => {
    const get = await answerOf(await fetch(`${running.url}/v1/backchannel-logout?${form()}`))
    expectProblem(get, 405, 'method_not_allowed')
    expect(get.headers['allow']).toBe('POST, OPTIONS')
    const page = await sendForm(running, form(), { origin: 'https://evil.example' })
    expectProblem(page, 403, 'origin_not_allowed')
    await expectNothingEnded()
  })
})

test('a logout token is no user’s token', async () => {
  const token = logoutToken({ aud: ['web-app', 'chat-api'] })
  expectProblem(await answerOf(await running.mint(token)), 401, 'invalid_token')
  await expectNothingEnded()
})

test('a replayed token: 400 the second time, and what was minted since stays', async () => {
  const token = logoutToken({ sub: 'replayed', iat: seconds() - 60 })
  const first = await sendLogout(running, token)
  expect([first.status, first.body]).toEqual([200, ''])
  expectEnvelope(first)
  const since = await secretFrom(running, userToken('replayed'))
  for (let again = 0; again < 3; again++) await expectRefusedLogout(running, token)
  // The same jti in another token of the issuer is a replay as well.
  const jti = JSON.parse(Buffer.from(String(token.split('.')[1]), 'base64url').toString()).jti
  await expectRefusedLogout(running, logoutToken({ sub: 'replayed', jti }))
  expect(upstreamStatus(running, since)).toBe('active')
})

test('the same token many times at once is carried out and answered well once', async () => {
  const token = logoutToken({ sub: 'at-once' })
  const answers = await Promise.all(Array.from({ length: 10 }, () => sendLogout(running, token)))
  const statuses = answers.map(({ status }) => status).sort()
  expect(statuses).toEqual([200, ...Array(9).fill(400)])
})

test('no refusal, and no log line, holds the token or says what it held', async () => {
  const token = logoutToken({ sub: 'secretive-subject', events: {} })
  const answer = await sendLogout(running, token)
  expect(answer.body).not.toMatch(/secretive|eyJ|events|idp\.test/)
  expect(running.logText()).not.toContain(String(token.split('.')[2]))
  expect(running.logText()).not.toContain('secretive-subject')
})
