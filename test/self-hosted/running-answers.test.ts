import { once } from 'node:events'
import { expect, test } from 'vitest'
import { asAt } from '../gateway/scene.ts'
import { lastError, note, rest, startScripted } from '../gateway/scripted-server.ts'
import {
  ADMINS,
  askAdmin,
  callAdmin,
  mintWith,
  revoke,
  secretOf,
  signOut,
} from '../support/admin-calls.ts'
import { PUBLIC_URL, selfHostedConfig, sidOf } from '../support/chatkit/self-hosted.ts'
import { input } from '../support/chatkit/server-client.ts'
import { stoppedClock } from '../support/issuer-settings.ts'
import { answerOf, expectProblem } from '../support/problem-answer.ts'
import { type Running, startService, tokenFor } from '../support/running-service.ts'

/** An answer of alice that has begun, which the test goes on writing. */
async function startAnswer() {
  const { url, opened } = await startScripted()
  const clock = stoppedClock(Date.now())
  const config = selfHostedConfig({ server: url, more: ADMINS })
  const running = await startService({ config, env: { PUBLIC_URL }, now: clock.now })
  const secret = await secretOf(running)
  const alice = asAt(`${running.url}/chatkit/helpdesk`, { secret })
  const response = await alice(['threads.create', { input: input('hi') }])
  const [server] = opened
  if (server === undefined || response.body === null) throw new Error('no stream')
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
  return { running, clock, secret, alice, server, opened, reader }
}

type Started = Awaited<ReturnType<typeof startAnswer>>

const expire = async ({ clock }: Started) => clock.advance(601)
const refresh = async ({ running, secret }: Started) => {
  const answer = await mintWith(running, tokenFor('alice'), { current_client_secret: secret })
  return (await answer.json()) as { client_secret: string }
}

const FINISHING: [status: string, finish: (of: Started) => Promise<unknown>][] = [
  ['expired', expire],
  ['replaced', refresh],
]

const cancel = (running: Running, secret: string) =>
  askAdmin<{ status: string }>(running, `POST /sessions/${sidOf(secret)}/cancel`)

const ENDINGS: [string, (of: Started) => Promise<unknown>][] = [
  ['is cancelled', ({ running, secret }) => cancel(running, secret)],
  ['has its user revoked', ({ running }) => revoke(running, 'alice')],
  ['has its user blocked', ({ running }) => revoke(running, 'alice', { block_seconds: 60 })],
  ['has its user signed out', ({ running }) => signOut(running, tokenFor('alice'))],
]

test.each(FINISHING)(
  'a running answer goes on to its end when its session is %s, and nothing more begins',
  async (status, finish) => {
    const started = await startAnswer()
    const { running, secret, alice, server, opened, reader } = started
    await finish(started)
    // Two questions to the store about open streams.
    await new Promise((resolve) => setTimeout(resolve, 1200))
    expectProblem(await answerOf(await alice(['threads.list'])), 401, 'invalid_token')
    expect(opened).toHaveLength(1)
    const seen = await callAdmin(running, `GET /sessions/${sidOf(secret)}`)
    expect(seen.json()).toMatchObject({ status })
    const listed = await callAdmin(running, `GET /sessions?user=alice&status=${status}`)
    expect(listed.json()).toMatchObject({ data: [{ id: sidOf(secret), status }] })
    server.end(note('the end'))
    expect(await rest(reader)).toBe(note('the end'))
  },
)

test.each(
  FINISHING.flatMap(([status, finish]) =>
    ENDINGS.map(([how, end]) => [status, how, finish, end] as const),
  ),
)(
  'the running answer of a session that is %s ends within a second when it %s',
  async (status, _how, finish, end) => {
    const started = await startAnswer()
    const { running, secret, server, reader } = started
    await finish(started)
    const closed = once(server, 'close')
    const before = performance.now()
    await end(started)
    expect(lastError(await rest(reader))).toMatchObject({
      code: 'custom',
      message: 'This chat session has ended.',
    })
    expect(performance.now() - before).toBeLessThan(1000)
    await closed
    const seen = await callAdmin(running, `GET /sessions/${sidOf(secret)}`)
    expect(seen.json()).toMatchObject({ status })
  },
)

test('a cancel leaves the status of a session that has ended, and says so', async () => {
  const started = await startAnswer()
  await refresh(started)
  expect(await cancel(started.running, started.secret)).toMatchObject({ status: 'replaced' })
})

test('a running answer goes on when another session of its user is cancelled', async () => {
  const started = await startAnswer()
  const { client_secret: next } = await refresh(started)
  await cancel(started.running, next)
  await new Promise((resolve) => setTimeout(resolve, 1200))
  started.server.end(note('the end'))
  expect(await rest(started.reader)).toBe(note('the end'))
})
