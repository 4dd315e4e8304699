import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { beforeAll, describe, expect, test } from 'vitest'
import { startWatchedUpstream } from '../support/chatkit/watched-upstream.ts'
import { eventually } from '../support/eventually.ts'
import { createsSeen, startMember, workingSessions } from '../support/fleet.ts'
import { startRedis, wantsRedis } from '../support/registry/redis.ts'
import { scratchFolder } from '../support/scratch-folder.ts'
import { forAllTests } from '../support/started.ts'

// Two processes over one store: what one of them answers, the other keeps.

/**
 * @param storeUrl - `STORE_URL` of both
 * @param seconds - how long a revoked widget asks
 */
function severalInstances(storeUrl: () => string, seconds: number): void {
  const upstream = forAllTests(() => startWatchedUpstream())
  const first = forAllTests(() => startMember({ store: storeUrl(), upstream }))
  const second = forAllTests(() => startMember({ store: storeUrl(), upstream }))
  beforeAll(async () => {
    for (const { url } of [first, second]) {
      await eventually(async () => expect((await fetch(`${url}/readyz`)).status).toBe(200))
    }
  })

  test(`a revoke at one is at once a refusal at the other, for a widget that asks for ${seconds} s`, async () => {
    for (const member of [first, second]) expect((await member.mint('wanda')).status).toBe(200)
    const revoked = await first.revoke('wanda', 3600)
    expect(revoked.status).toBe(200)
    expect(revoked.body.cancelled).toHaveLength(2)
    expect(workingSessions(upstream, 'wanda')).toEqual([])
    upstream.api.clearRequests()

    for (let at = 0; at < seconds * 10; at++) {
      const member = at % 2 === 0 ? second : first
      expect(await member.mint('wanda')).toMatchObject({ status: 403, code: 'user_blocked' })
      await sleep(100)
    }
    expect(createsSeen(upstream)).toBe(0)

    expect((await second.admin('DELETE /users/wanda/block')).status).toBe(204)
    expect((await first.mint('wanda')).status).toBe(200)
  })

  test('a mint under way at one loses against a revoke at the other', async () => {
    const held = Promise.withResolvers<void>()
    upstream.instead = async (request) => {
      const answer = await upstream.api.app.fetch(request)
      if (request.url.endsWith('/sessions')) await held.promise
      return answer
    }
    upstream.api.clearRequests()
    const minting = first.mint('mallory')
    await expect.poll(() => createsSeen(upstream)).toBe(1)
    expect((await second.revoke('mallory', 0)).status).toBe(200)
    held.resolve()
    upstream.instead = undefined
    expect(await minting).toMatchObject({ status: 403, code: 'user_blocked' })
    await expect.poll(() => workingSessions(upstream, 'mallory')).toEqual([])
    expect((await first.mint('mallory')).status).toBe(200)
  })

  test('the sessions that one left in the outbox are ended by the other within 10 s of its death', async () => {
    for (let at = 0; at < 4; at++) await first.mint('oscar')
    upstream.instead = (request) =>
      request.url.endsWith('/cancel') ? new Response(null, { status: 503 }) : undefined
    const revoked = await first.revoke('oscar', 3600)
    expect(revoked.body.cancelling).toHaveLength(4)
    await first.crash()
    upstream.instead = undefined
    const died = performance.now()
    await expect
      .poll(() => workingSessions(upstream, 'oscar'), { timeout: 10_000, interval: 100 })
      .toEqual([])
    expect(performance.now() - died).toBeLessThan(10_000)
    const own = '/sessions?user=oscar&status=cancelled'
    const list = () => second.admin(`GET ${own}`)
    await expect.poll(async () => (await list()).body).toMatchObject({ data: { length: 4 } })
  })
}

describe('on one SQLite file', () => {
  const folder = scratchFolder()
  severalInstances(() => `sqlite:${join(folder, 'mint.db')}`, 10)
})

describe.runIf(wantsRedis())('on one Redis', () => {
  const redis = forAllTests(() => startRedis())
  severalInstances(() => redis.url, 2)
})
