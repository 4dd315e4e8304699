import { afterAll, beforeEach, describe, expect, it } from 'vitest'
import {
  entry,
  NOW,
  ownership,
  type PlainRegistry,
  pageIds,
} from '../contracts/registry-fixtures.ts'
import { startRedis, type TestRedis, wantsRedis } from '../support/registry/redis.ts'
import { answers, redisInstances } from '../support/registry/redis-instances.ts'
import { forAllTests } from '../support/started.ts'

const instances = redisInstances()
const ALL = { kind: 'thread', limit: 20, order: 'desc' } as const
const MINE = { ...ALL, user: 'alice' }
const USE = { id: 's1', user: 'alice', maxPerMinute: 5, nowMs: NOW * 1000 }
/** Members whose claim may be under way, and the list of all threads. */
const YOUNG = 'ckm:{i}:oy'
const THREADS = 'ckm:{i}:o:thread::'

describe.runIf(wantsRedis())('what Redis keeps of self-hosted workflows', () => {
  let registry: PlainRegistry

  const redis = forAllTests(() => startRedis())
  beforeEach(async () => {
    await instances.closeAll()
    await redis.cli('flushall')
    registry = instances.open(redis.url)
    await answers(registry)
  })
  afterAll(async () => {
    await instances.closeAll()
  })

  const keys = async (pattern: string) =>
    (await redis.cli('keys', pattern)).split('\n').filter((key) => key !== '')
  const recordKey = async () => (await keys('ckm:*:owner'))[0] ?? ''
  const member = async () => redis.cli('zrange', THREADS, '0', '-1')

  it('counts uses in the slot of the user, and lets the counter go with its minute', async () => {
    await registry.record(entry({ id: 's1', state: { plan: 'pro' } }))
    await registry.useSession(USE)
    const [counter = ''] = await keys('ckm:{*}:w:*')
    const [rows = ''] = await keys('ckm:{????????????????????????}:s')
    expect(counter.split('}')[0]).toBe(rows.split('}')[0])
    await redis.cli('pexpire', counter, '40000')
    await registry.useSession({ ...USE, nowMs: NOW * 1000 + 30_000 })
    const left = Number(await redis.cli('pttl', counter))
    expect(left).toBeGreaterThan(0)
    expect(left).toBeLessThanOrEqual(40_000)
    await registry.useSession({ ...USE, nowMs: NOW * 1000 + 60_000 })
    expect(Number(await redis.cli('pttl', counter))).toBeGreaterThan(40_000)
  })

  it('answers for a thousand open streams of as many users within the time of one call', async () => {
    const sessions = Array.from({ length: 1_000 }, (_, at) => ({ id: `s${at}`, user: `u${at}` }))
    for (let from = 0; from < sessions.length; from += 50) {
      await Promise.all(sessions.slice(from, from + 50).map((of) => registry.record(entry(of))))
    }
    await registry.beginCancel('s500', NOW)
    for (let round = 0; round < 5; round++) {
      expect(await registry.endedAmong(sessions, NOW)).toEqual(['s500'])
    }
    const before = await commandsOf(redis)
    await registry.endedAmong(
      sessions.map(({ id }) => ({ id, user: 'u1' })),
      NOW,
    )
    expect((await commandsOf(redis)) - before).toBe(1)
  })

  it('keeps ownership for good, and nothing of a thing that was released', async () => {
    await registry.claimOwnership(ownership({ id: 't1' }))
    await registry.claimOwnership(ownership({ id: 't1', user: 'bob' }))
    expect(await redis.cli('ttl', await recordKey())).toBe('-1')
    expect(await redis.cli('ttl', THREADS)).toBe('-1')
    expect(Number(await redis.cli('ttl', YOUNG))).toBeGreaterThan(0)
    await registry.releaseOwnership(ownership({ id: 't1' }))
    expect((await keys('*')).filter((key) => key !== 'ckm:{i}:h').sort()).toEqual([
      'ckm:{i}:n',
      'ckm:{i}:ow',
    ])
  })

  it('makes no entry for a claim of what is taken', async () => {
    await registry.claimOwnership(ownership({ id: 't1' }))
    const before = await redis.cli('get', 'ckm:{i}:n')
    expect(await registry.claimOwnership(ownership({ id: 't1', user: 'bob' }))).toBe('taken')
    expect(await redis.cli('get', 'ckm:{i}:n')).toBe(before)
  })

  it('keeps one entry of many claims at once', async () => {
    const claims = Array.from({ length: 12 }, (_, at) =>
      registry.claimOwnership(ownership({ id: 't1', user: `u${at}` })),
    )
    expect((await Promise.all(claims)).filter((outcome) => outcome === 'claimed')).toHaveLength(1)
    expect(Number(await redis.cli('get', 'ckm:{i}:n'))).toBeGreaterThan(1)
    const lists = await keys('ckm:{i}:o:*')
    expect(lists).toHaveLength(4)
    for (const list of lists) expect(await redis.cli('zcard', list)).toBe('1')
    expect(await redis.cli('zcard', YOUNG)).toBe('1')
  })

  it('misleads no reader by an entry in vain, and the next reader removes it', async () => {
    await registry.claimOwnership(ownership({ id: 't1' }))
    await registry.claimOwnership(ownership({ id: 't2' }))
    await redis.cli('del', await recordKey())
    const left = pageIds(await registry.listOwned(MINE))
    expect(left).toHaveLength(1)
    expect(await redis.cli('zcard', THREADS)).toBe('2')
    // As old as if the claim had broken off long ago.
    await redis.cli('del', YOUNG)
    expect(pageIds(await registry.listOwned(ALL))).toEqual(left)
    expect(pageIds(await registry.listOwned(MINE))).toEqual(left)
    expect(await redis.cli('zcard', THREADS)).toBe('1')
    const sizes = (await keys('ckm:{i}:o:*')).map((key) => redis.cli('zcard', key))
    expect(await Promise.all(sizes)).toContain('1')
  })

  it('never loses the entry of a claim that is under way while someone reads', async () => {
    await registry.claimOwnership(ownership({ id: 't1' }))
    const key = await recordKey()
    const json = await redis.cli('get', key)
    // What a reader sees between the lists and the record.
    await redis.cli('del', key)
    expect(pageIds(await registry.listOwned(ALL))).toEqual([])
    await redis.cli('set', key, json)
    expect(pageIds(await registry.listOwned(ALL))).toEqual(['t1'])
    await redis.cli('zadd', YOUNG, '1', await member())
    expect(pageIds(await registry.listOwned(ALL))).toEqual(['t1'])
  })

  it('takes the entry of another claim of the same thing for no owner of it', async () => {
    await registry.claimOwnership(ownership({ id: 't1' }))
    const [hash] = (await member()).split(':')
    await redis.cli('zadd', THREADS, '999', `${hash}:999`)
    expect(pageIds(await registry.listOwned(ALL))).toEqual(['t1'])
    expect(await redis.cli('zcard', THREADS)).toBe('1')
  })

  it('clears away what it noted of old claims, a little with each', async () => {
    const old = Array.from({ length: 40 }, (_, at) => ['1', `gone:${at}`]).flat()
    await redis.cli('zadd', YOUNG, ...old)
    for (let at = 0; at < 3; at++) await registry.claimOwnership(ownership({ id: `t${at}` }))
    expect(await redis.cli('zcard', YOUNG)).toBe('3')
  })

  it('refuses what is not what it should be', async () => {
    await registry.record(entry({ id: 's1', state: { plan: 'pro' } }))
    await registry.claimOwnership(ownership({ id: 't1' }))
    const refused = { code: 'store_unavailable' }
    for (const json of ['{', '{}', '{"place":1,"ownership":{}}']) {
      await redis.cli('set', await recordKey(), json)
      await expect(registry.ownersOf([ownership({ id: 't1' })])).rejects.toMatchObject(refused)
      await expect(registry.listOwned(ALL)).rejects.toMatchObject(refused)
    }
    const [rows = ''] = await keys('ckm:{????????????????????????}:s')
    const row = await redis.cli('hget', rows, 's1')
    await redis.cli('hset', rows, 's1', row.replace('"pro"', 'null'))
    await expect(registry.useSession(USE)).rejects.toMatchObject(refused)
    await redis.cli('hset', rows, 's1', 'nonsense')
    await expect(registry.useSession(USE)).rejects.toMatchObject(refused)
  })

  it('when hanging or gone: every method refuses, and what was there is there again', async () => {
    await registry.record(entry({ id: 's1' }))
    await registry.claimOwnership(ownership({ id: 't1' }))
    const calls = [
      () => registry.useSession(USE),
      () => registry.endedAmong([USE], NOW),
      () => registry.claimOwnership(ownership({ id: 't1', user: 'bob' })),
      () => registry.ownersOf([ownership({ id: 't1' })]),
      () => registry.listOwned(ALL),
      () => registry.releaseOwnership(ownership({ id: 't2' })),
    ]
    redis.freeze()
    const refused = { code: 'store_unavailable' }
    await Promise.all(calls.map((call) => expect(call()).rejects.toMatchObject(refused)))
    for (const call of calls) await expect(call()).rejects.toMatchObject(refused)
    redis.thaw()
    await answers(registry)
    expect(await registry.ownersOf([ownership({ id: 't1' })])).toEqual(['alice'])
    expect(await registry.endedAmong([USE], NOW)).toEqual([])
  })
})

/** How often ZMSCORE has run. */
async function commandsOf(redis: TestRedis): Promise<number> {
  const stats = await redis.cli('info', 'commandstats')
  return Number(/cmdstat_zmscore:calls=(\d+)/.exec(stats)?.[1] ?? 0)
}
