import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test, vi } from 'vitest'
import { quantile } from '../faults/calls.ts'
import { startWatchedUpstream } from '../support/chatkit/watched-upstream.ts'
import { createsSeen, expectOnTheBooks, type Member, startMember } from '../support/fleet.ts'
import type { Seen } from '../support/network/clients.ts'
import { startRedis, wantsRedis } from '../support/registry/redis.ts'
import { forEachTest } from '../support/started.ts'

// Redis goes away while the service is under load: the service refuses quickly, and no blocked user mints.

/** As long as promised in `npm run test:race`, shorter otherwise. */
const OUTAGE_MS = process.env['RACE_RUNS'] === undefined ? 3_000 : 10_000
/** The contract's bound for a store that cannot answer. */
const REFUSED_WITHIN_MS = 300
const BACK_WITHIN_MS = 2_000

/** Between an answer and the next call of a widget. */
const PAUSE_MS = 50

const USERS = Array.from({ length: 8 }, (_, at) => `user-${at}`)
const BLOCKED = ['blocked-0', 'blocked-1']

interface Asked extends Seen {
  readonly user: string
}

/** Widgets that ask all the time, and an admin who revokes. */
function startLoad(member: Member) {
  const mints: Asked[] = []
  const revokes: Asked[] = []
  let going = true

  async function asking(user: string, into: Asked[], ask: () => Promise<Seen>): Promise<void> {
    while (going) {
      into.push({ ...(await ask()), user })
      await sleep(PAUSE_MS)
    }
  }

  const loops = [
    ...[...USERS, ...BLOCKED].map((user) => asking(user, mints, () => member.mint(user))),
    asking('nobody', revokes, () => member.revoke('nobody', 60)),
  ]
  return {
    ...{ mints, revokes },
    async stop() {
      going = false
      await Promise.all(loops)
    },
  }
}

const codesOf = (answers: readonly Seen[]) => new Set(answers.map(({ code }) => code))

describe.runIf(wantsRedis())('Redis', () => {
  let member: Member

  const upstream = forEachTest(() => startWatchedUpstream())
  const redis = forEachTest(() => startRedis(['--appendonly', 'yes']))

  const isReady = async () => (await fetch(`${member.url}/readyz`)).status === 200

  async function startServing(): Promise<void> {
    member = await startMember({ store: redis.url, upstream })
    await expect.poll(isReady).toBe(true)
    for (const user of BLOCKED) {
      expect((await member.mint(user)).status).toBe(200)
      expect((await member.revoke(user, 3600)).status).toBe(200)
    }
  }

  /** From the moment when Redis answers again until the first mint that succeeds. */
  async function untilBack(): Promise<number> {
    await vi.waitFor(async () => expect(await redis.cli('ping')).toBe('PONG'), { timeout: 5000 })
    const answers = performance.now()
    const minted = async () => (await member.mint('first-back')).status
    await expect.poll(minted, { timeout: 5000, interval: 20 }).toBe(200)
    return performance.now() - answers
  }

  test.each<[string, () => unknown, () => unknown]>([
    ['killed', () => redis.kill(), () => redis.restart()],
    ['hanging', () => redis.freeze(), () => redis.thaw()],
  ])(
    '%s under load: 503 within 300 ms, back within 2 s, and no blocked user mints',
    async (_how, take, giveBack) => {
      await startServing()
      const load = startLoad(member)
      await sleep(700)
      const gone = performance.now()
      await take()
      await sleep(OUTAGE_MS)
      const back = performance.now()
      await giveBack()
      const tookToRecover = await untilBack()
      await sleep(300)
      const of = (user: string) => load.mints.filter((mint) => mint.user === user)
      const fewest = () => Math.min(...BLOCKED.map((user) => of(user).length))
      await expect.poll(fewest).toBeGreaterThan(20)
      await load.stop()

      for (const user of BLOCKED) {
        expect(codesOf(of(user))).toEqual(new Set(['user_blocked', 'store_unavailable']))
      }
      // Calls that began and ended in the outage.
      const during = (asked: Asked) => asked.begun > gone + 300 && asked.ended < back
      const refused = load.mints.filter(during)
      expect(refused.length).toBeGreaterThan(50)
      expect(codesOf(refused)).toEqual(new Set(['store_unavailable']))
      expect(codesOf(load.revokes.filter(during))).toEqual(new Set(['store_unavailable']))
      const others = load.mints.filter(({ user }) => !BLOCKED.includes(user))
      expect(new Set(others.map(({ status, code }) => code ?? status))).toEqual(
        new Set([200, 'store_unavailable']),
      )
      const allRefusals = [...load.mints, ...load.revokes].filter(({ status }) => status === 503)
      // One in ten may be later, because the test machine runs other tests.
      expect(quantile(allRefusals, 0.9)).toBeLessThan(REFUSED_WITHIN_MS)
      // Mints that were under way when Redis stopped: none of them waited for its return.
      const slowest = Math.max(...allRefusals.map(({ begun, ended }) => ended - begun))
      expect(slowest).toBeLessThan(5 * REFUSED_WITHIN_MS)
      expect(tookToRecover).toBeLessThan(BACK_WITHIN_MS)
      const minted = load.mints.filter(({ status }) => status === 200)
      expect(minted.length).toBeGreaterThan(20)
      const secrets = minted.map(({ secret = '', user }) => [secret, user] as const)
      await expectOnTheBooks(member, upstream, secrets)
    },
    OUTAGE_MS + 30_000,
  )

  test('that hangs while a session is created has it as cancelled once it answers again', async () => {
    await startServing()
    upstream.instead = ({ url }) => {
      if (url.endsWith('/sessions')) redis.freeze()
      return undefined
    }
    expect((await member.mint('alice')).code).toBe('store_unavailable')
    upstream.instead = undefined
    redis.thaw()
    const listed = async () => (await member.admin('GET /sessions?user=alice')).body
    await expect
      .poll(listed, { timeout: 10_000 })
      .toMatchObject({ data: [{ status: 'cancelled' }] })
  })

  test('down at the start: alive, not ready, mints 503; served within 2 s of its coming', async () => {
    await redis.kill()
    member = await startMember({ store: redis.url, upstream })
    expect((await fetch(`${member.url}/livez`)).status).toBe(200)
    expect((await fetch(`${member.url}/readyz`)).status).toBe(503)
    const refused = await Promise.all(USERS.map((user) => member.mint(user)))
    expect(codesOf(refused)).toEqual(new Set(['store_unavailable']))
    expect(new Set(refused.map(({ status }) => status))).toEqual(new Set([503]))
    expect((await member.revoke('alice', 60)).code).toBe('store_unavailable')
    expect(createsSeen(upstream)).toBe(0)
    expect((await fetch(`${member.url}/livez`)).status).toBe(200)

    await redis.restart()
    expect(await untilBack()).toBeLessThan(BACK_WITHIN_MS)
    expect(await isReady()).toBe(true)

    const hash = await hashInLog(member)
    await member.close()
    member = await startMember({ store: redis.url, upstream })
    expect(await hashInLog(member)).toBe(hash)
  })

  /** The hash of alice in the log line of a revoke. */
  function hashInLog({ revoke, log }: Member): Promise<unknown> {
    return vi.waitFor(async () => {
      expect((await revoke('alice', 0)).status).toBe(200)
      const line = log().find(({ action, user }) => action === 'revoke' && user)
      expect(line).toBeDefined()
      return line?.['user']
    }, 5000)
  }
})
