import { expect, onTestFinished, test } from 'vitest'
import { startThreadScene } from '../../support/chatkit/thread-scene.ts'
import { stoppedClock } from '../../support/issuer-settings.ts'
import { answerOf, expectProblem } from '../../support/problem-answer.ts'
import { onSqlite } from '../../support/registry/each-store.ts'
import {
  DEFAULT_CONFIG,
  HIGH_LIMITS,
  type Running,
  startService,
  tokenFor,
} from '../../support/running-service.ts'
import { BILLING, ONE_KEY } from '../backend/scene.ts'

const LIMITS = `limits:
  mints_per_user: { max: 100 }
  reads_per_user: { max: 3, seconds: 60 }
`

let running: Running

async function read(path: string, user: string, method = 'GET') {
  const headers = { authorization: `Bearer ${tokenFor(user)}` }
  return answerOf(await fetch(running.url + path, { method, headers }))
}

test('all calls about one’s own threads count together; one more is 429 and asks nobody', async () => {
  const clock = stoppedClock(Date.now())
  const config = DEFAULT_CONFIG.replace(HIGH_LIMITS, LIMITS)
  running = await startService({ config, env: onSqlite(), now: clock.now })
  expect((await read('/v1/threads', 'alice')).status).toBe(200)
  expect((await read('/v1/threads/cthr_1', 'alice')).status).toBe(404)
  expect((await read('/v1/threads/cthr_1', 'alice', 'DELETE')).status).toBe(404)
  clock.advance(10)
  const asked = running.upstream.requests().length
  for (const path of ['/v1/threads', '/v1/threads/cthr_1', '/v1/threads/cthr_1/items']) {
    const refused = await read(path, 'alice')
    expectProblem(refused, 429, 'rate_limited')
    expect(refused.headers['retry-after']).toBe('50')
  }
  // The limit is judged before the query and the id.
  for (const path of ['/v1/threads?x=1', '/v1/threads/cthr_1/items?limit=x', '/v1/threads/a%00']) {
    expectProblem(await read(path, 'alice'), 429, 'rate_limited')
  }
  expect(running.upstream.requests()).toHaveLength(asked)
  // Other users and mints are not affected.
  expect((await read('/v1/threads', 'bob')).status).toBe(200)
  expect((await running.mint(tokenFor('alice'))).status).toBe(200)
  clock.advance(50)
  expect((await read('/v1/threads', 'alice')).status).toBe(200)
})

test('the reads of a user count together, whichever subject of a token it is', async () => {
  const config = DEFAULT_CONFIG.replace(HIGH_LIMITS, LIMITS).replace('claims.sub', 'claims.account')
  running = await startService({ config })
  const list = async (sub: string, account: string) => {
    const headers = { authorization: `Bearer ${tokenFor(sub, { account })}` }
    return (await fetch(`${running.url}/v1/threads`, { headers })).status
  }
  for (const sub of ['a', 'b', 'c']) expect(await list(sub, 'shared')).toBe(200)
  expect(await list('d', 'shared')).toBe(429)
  expect(await list('a', 'own')).toBe(200)
})

test('reads that fail for one user alone leave those of others as they are', async () => {
  const scene = await startThreadScene({ workflows: ['support'] })
  onTestFinished(() => scene.close())
  let failed = 0
  scene.tamper = async (request, answer) => {
    if (!request.url.includes('user=mallory')) return answer()
    failed++
    return new Response('{}', { status: 500 })
  }
  running = scene.running
  const flood = Array.from({ length: 60 }, () => read('/v1/threads', 'mallory'))
  const statuses = (await Promise.all(flood)).map(({ status }) => status)
  expect(new Set(statuses)).toEqual(new Set([503]))
  expect((await read('/v1/threads', 'alice')).status).toBe(200)
  const before = failed
  expect((await read('/v1/threads', 'mallory')).status).toBe(503)
  expect(failed).toBe(before)
})

test('a user whose name is that of an API key leaves the reads of the key as they are', async () => {
  const scene = await startThreadScene({ workflows: ['support'], more: ONE_KEY })
  onTestFinished(() => scene.close())
  scene.tamper = async (request, answer) =>
    request.url.includes('user=key') ? new Response('{}', { status: 500 }) : answer()
  running = scene.running
  const flood = Array.from({ length: 20 }, () => read('/v1/threads', 'key:billing'))
  for (const { status } of await Promise.all(flood)) expect(status).toBe(503)
  const headers = { authorization: `Bearer ${BILLING}` }
  const answer = await fetch(`${running.url}/v1/chatkit/threads?user=alice`, { headers })
  expect(answer.status).toBe(200)
})
