import { setTimeout as sleep } from 'node:timers/promises'
import { beforeEach, expect, test } from 'vitest'
import { kinds, type Load, startLoad, withoutRetryAfter } from '../faults/calls.ts'
import { startScriptedUpstream } from '../support/chatkit/scripted-upstream.ts'
import { startMember } from '../support/fleet.ts'
import { expectProblem } from '../support/problem-answer.ts'
import { openRaw, type RawAnswer, rawRequest } from '../support/raw-http.ts'
import { APP_ORIGIN, tokenFor } from '../support/running-service.ts'
import { forEachTest } from '../support/started.ts'

/** More than the mints that are never refused. */
const WIDGETS = 400
const NORMAL_AFTER_MS = 5000
const LATE_LOOP = new URL('../support/late-loop.js', import.meta.url).href

const upstream = forEachTest(() => startScriptedUpstream())
beforeEach(() => {
  upstream.creates = [{ kind: 'ok', ms: 100 }]
})
const service = forEachTest(() => startMember({ upstream, nodeArguments: ['--import', LATE_LOOP] }))

function load(count: number, name: string): Load {
  return startLoad(count, (at) => service.mint(`${name}-${at}`), 20)
}

/** Mints as a page until one is refused: other clients may take the refusals first. */
async function refusedMint(): Promise<RawAnswer> {
  const headers = [`Origin: ${APP_ORIGIN}`, `Authorization: Bearer ${tokenFor('page')}`]
  for (;;) {
    const connection = await openRaw(service.url)
    connection.send(rawRequest('POST /v1/sessions', { headers }))
    const answer = await connection.next()
    connection.destroy()
    if (answer.status !== 200) return answer
  }
}

test('mints are refused, revokes and health checks are not, and soon afterwards mints work again', async () => {
  const [mallory, bob] = ['mallory', 'bob']
  for (const user of [mallory, bob]) expect((await service.mint(user)).status).toBe(200)
  const few = load(10, 'few')
  const many = load(WIDGETS, 'many')
  // Many mints alone are no overload, even if a busy machine makes them slow.
  await many.next(WIDGETS)

  service.child.kill('SIGUSR2')
  const late = await many.next(2 * WIDGETS)
  expect(kinds(late)).toEqual(new Set([200, 'overloaded']))
  expect(withoutRetryAfter(late)).toEqual([])
  expect(new Set(late.map(({ retryAfter }) => retryAfter)).size).toBeGreaterThan(3)

  const refusal = await refusedMint()
  expectProblem(refusal, 503, 'overloaded')
  expect(refusal.headers).toMatchObject({
    'access-control-allow-origin': APP_ORIGIN,
    vary: 'Origin',
  })
  for (let round = 0; round < 3; round++) {
    expect(await service.statusOf('/livez')).toBe(200)
    expect(await service.statusOf('/readyz')).toBe(200)
  }
  const revoked = await service.revoke(mallory, 3600)
  expect(revoked).toMatchObject({ status: 200, body: { cancelled: { length: 1 }, cancelling: [] } })
  const out = { method: 'DELETE', token: tokenFor(bob) } as const
  const signOuts = Array.from({ length: 20 }, () => service.clients.call('/v1/sessions', out))
  expect(new Set((await Promise.all(signOuts)).map(({ status }) => status))).toEqual(new Set([204]))
  const refused = () => service.log().filter(({ refused }) => refused !== undefined)
  expect(refused().length).toBeGreaterThan(0)
  // Requests that the app never saw have no line of their own.
  const below = new Set(refused().map(({ last_request_id: id }) => id))
  expect(service.log().filter(({ request_id: id }) => below.has(id))).toEqual([])
  // Those that it saw were refused only because 256 calls were under way in a slow loop.
  const seen = service.log().filter(({ code, msg }) => code && msg === 'request')
  expect(seen.filter(({ reason }) => reason !== 'no slot within 250 ms')).toEqual([])

  service.child.kill('SIGUSR2')
  await many.stop()
  await sleep(NORMAL_AFTER_MS)
  expect(kinds(await few.next(200))).toEqual(new Set([200]))
  expect((await service.mint(mallory)).code).toBe('user_blocked')
}, 60_000)
