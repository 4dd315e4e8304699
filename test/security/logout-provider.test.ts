import { decodeJwt } from 'jose'
import { expect, test } from 'vitest'
import { WEB_APP } from '../../src/embedded/sign-in/clients.ts'
import { startSignIn } from '../../src/embedded/sign-in/sign-in.ts'
import { ADMINS, callAdmin, secretFrom, upstreamStatus } from '../support/admin-calls.ts'
import { freePort } from '../support/network/listen.ts'
import { answerOf, expectProblem } from '../support/problem-answer.ts'
import { HIGH_LIMITS, startService } from '../support/running-service.ts'
import { signInAs, signOut } from '../support/sign-in/sign-in-as.ts'
import { forAllTests } from '../support/started.ts'

// oidc-provider's own back-channel logout, from its sign-out page to the end of the user's sessions.

const port = await freePort()
const backchannelLogoutUri = `http://127.0.0.1:${port}/v1/backchannel-logout`
const signIn = forAllTests(() =>
  startSignIn({ port: 0, clients: [{ ...WEB_APP, backchannelLogoutUri }] }),
)
const running = forAllTests(() => {
  const config = `
issuers:
  - issuer: ${signIn.issuer}
    audience: [chat-api]
    algorithms: [ES256]
    logout: { client_ids: [web-app], algorithms: [ES256] }
user: claims.sub
workflows: { support: { id: wf_support } }
${ADMINS}
${HIGH_LIMITS}
`
  return startService({ config, port })
})

test('a sign-out at the provider ends the sessions of that sign-in, and its token no longer mints', async () => {
  const desktop = await signInAs(signIn, 'alice')
  const phone = await signInAs(signIn, 'alice')
  const bob = await signInAs(signIn, 'bob')
  const [first, second, onPhone, ofBob] = [
    await secretFrom(running, desktop.accessToken),
    await secretFrom(running, desktop.accessToken),
    await secretFrom(running, phone.accessToken),
    await secretFrom(running, bob.accessToken),
  ]

  await signOut(signIn, desktop)

  await expect.poll(() => upstreamStatus(running, first)).toBe('cancelled')
  await expect.poll(() => upstreamStatus(running, second)).toBe('cancelled')
  const refused = await answerOf(await running.mint(desktop.accessToken))
  expectProblem(refused, 401, 'invalid_token')
  expect(upstreamStatus(running, onPhone)).toBe('active')
  expect(upstreamStatus(running, ofBob)).toBe('active')
  expect((await running.mint(phone.accessToken)).status).toBe(200)

  const line = running.log.find(({ route }) => route === '/v1/backchannel-logout')
  expect(line).toMatchObject({ method: 'POST', status: 200 })
  const { accessToken: token } = await signInAs(signIn, 'ada')
  const entries = await callAdmin(running, 'GET /audit?action=logout', { token })
  expect(entries.json()).toMatchObject({
    data: [{ actor: `${signIn.issuer}|alice`, outcome: 'ok', reason: 'sid' }],
  })
})

test('who signs in again mints again', async () => {
  const before = await signInAs(signIn, 'bob')
  const secret = await secretFrom(running, before.accessToken)
  await signOut(signIn, before)
  await expect.poll(() => upstreamStatus(running, secret)).toBe('cancelled')
  const after = await signInAs(signIn, 'bob')
  expect(decodeJwt(after.accessToken)['sid']).not.toBe(decodeJwt(before.accessToken)['sid'])
  expect((await running.mint(after.accessToken)).status).toBe(200)
  expect((await running.mint(before.accessToken)).status).toBe(401)
})
