import { randomUUID } from 'node:crypto'
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest'
import {
  auditEntry,
  entry,
  ids,
  NOW,
  order,
  type PlainRegistry,
  pageIds,
  query,
  standingQuery,
} from '../contracts/registry-fixtures.ts'
import { freePort, startRedis, type TestRedis, wantsRedis } from '../support/registry/redis.ts'
import { answers, claim, redisInstances } from '../support/registry/redis-instances.ts'
import { forAllTests, forEachTest } from '../support/started.ts'

const instances = redisInstances()

describe.runIf(wantsRedis())('what Redis keeps', () => {
  const redis = forEachTest(() => startRedis(['--appendonly', 'yes', '--appendfsync', 'always']))
  const registry = forEachTest(() => instances.answering(redis.url))
  afterEach(() => instances.closeAll())

  it('warns of what it may lose', async () => {
    expect(instances.lines.join('')).not.toMatch(/append-only|evict/)
    const careless = await startRedis(['--appendonly', 'no', '--maxmemory-policy', 'allkeys-lru'])
    try {
      await answers(instances.open(careless.url))
      await vi.waitFor(() => {
        expect(instances.lines.join('')).toMatch(/no append-only file/)
        expect(instances.lines.join('')).toMatch(/may evict keys/)
      })
    } finally {
      await careless.close()
    }
  })

  it('lets every key of users, marks and counters go in the end, and sweeps the rest', async () => {
    await registry.record(entry({ id: 's1', sid: 'x' }))
    await registry.record(entry({ id: 's2' }, { replaces: entry({ id: 's1' }).session.secretHash }))
    await registry.beginCancel('s2', NOW)
    await registry.revoke(order({ block: { until: NOW + 60, reason: undefined, by: 'a' } }))
    await registry.markLogout({ issuer: 'i', subject: 's', issuedBefore: NOW, keepUntil: NOW + 60 })
    await registry.consume('k', { max: 1, seconds: 60, nowMs: NOW * 1000 })
    await registry.beginMint(standingQuery(), { max: 1, seconds: 60, nowMs: NOW * 1000 })
    await registry.rememberOnce('jti', 60, NOW)
    await registry.appendAudit([auditEntry({ id: 'a1', user: 'alice' })])
    const permanent = async () => {
      const keys = (await redis.cli('keys', '*')).split('\n')
      const ttls = await Promise.all(keys.map((key) => redis.cli('ttl', key)))
      return keys.filter((_, at) => ttls[at] === '-1').sort()
    }
    expect((await permanent()).filter((key) => !/^ckm:\{[ia]\}:/.test(key))).toEqual([])
    const later = NOW + 100_000
    await registry.sweep({ sessionsEndedBefore: later, auditBefore: later, now: later })
    await claim(registry, later * 1000)
    expect(await permanent()).toEqual(['ckm:{a}:n', 'ckm:{i}:n'])
  })
})

describe.runIf(wantsRedis())('an index that names what never came to be', () => {
  const redis = forAllTests(() => startRedis())
  const registry = forAllTests(() => instances.answering(redis.url))
  afterAll(() => instances.closeAll())

  it('misleads no reader, and goes with the sweep', async () => {
    await registry.revoke(order())
    expect(await registry.record(entry({ id: 'never' }))).toEqual({ kind: 'blocked' })
    expect(await redis.cli('hexists', 'ckm:{i}:s', 'never')).toBe('1')
    await registry.record(entry({ id: 's1' }, { generation: 1 }))
    expect(pageIds(await registry.listSessions(query()))).toEqual(['s1'])
    expect(await registry.listSessions(query({ after: 'never' }))).toBeUndefined()
    expect(await registry.getSession('never')).toBeUndefined()
    expect(await registry.beginCancel('never', NOW)).toBeUndefined()
    await registry.confirmCancel(['never'], NOW)
    await registry.postponeCancel('never', NOW * 1000)
    expect(ids(await claim(registry, (NOW + 60) * 1000))).toEqual([])
    await registry.sweep({ sessionsEndedBefore: NOW + 601, auditBefore: NOW, now: NOW + 601 })
    expect(await redis.cli('hexists', 'ckm:{i}:s', 'never')).toBe('0')
  })

  it('says too early an end: the sweep believes the session, and puts the index right', async () => {
    await registry.record(entry({ id: 's9', user: 'other' }))
    await redis.cli('zadd', 'ckm:{i}:e', '1', 's9')
    await registry.sweep({ sessionsEndedBefore: NOW, auditBefore: NOW, now: NOW })
    expect((await registry.getSession('s9'))?.status).toBe('active')
    expect(await redis.cli('zscore', 'ckm:{i}:e', 's9')).toBe(String(NOW + 600))
  })

  it('keeps a user on the due list until no announced step can be under way', async () => {
    const user = 'slow'
    await registry.revoke(order({ user }))
    const listed = async () => Number(await redis.cli('zcard', 'ckm:{i}:d'))
    const before = await listed()
    for (let after = 0; after < 899; after += 60) await claim(registry, (NOW + after) * 1000)
    expect(await listed()).toBe(before)
    await claim(registry, (NOW + 2_000) * 1000)
    await claim(registry, (NOW + 4_000) * 1000)
    expect(await listed()).toBe(0)
  })
})

describe.runIf(wantsRedis())('what a mint costs Redis', () => {
  const limit = { max: 9, seconds: 60, nowMs: NOW * 1000 }
  let redis: TestRedis
  afterEach(async () => {
    await instances.closeAll()
    await redis.close()
  })

  async function mint(registry: PlainRegistry, id: string) {
    const question = { ...standingQuery(), identity: { issuer: 'i', subject: 's', sid: 'x' } }
    const { standing } = await registry.beginMint(question, limit)
    expect(standing?.generation).toBe(0)
    expect(await registry.record(entry({ id }))).toEqual({ kind: 'recorded', ended: [] })
  }

  async function commandsOf(registry: PlainRegistry, id: string): Promise<number> {
    await redis.cli('config', 'resetstat')
    await mint(registry, id)
    const counted = await redis.cli('info', 'commandstats')
    // Commands of scripts count too; these come from the client alone.
    return Number(/^cmdstat_evalsha:calls=(\d+)/m.exec(counted)?.[1])
  }

  it('is one command before the upstream is asked, and one after', async () => {
    redis = await startRedis()
    const registry = instances.open(redis.url)
    await answers(registry)
    await vi.waitFor(async () => expect(await commandsOf(registry, randomUUID())).toBe(2))
  })

  it('is a command for each slot where they may not be mixed, said or not', async () => {
    const bus = ['--cluster-port', String(await freePort()), '--cluster-node-timeout', '500']
    redis = await startRedis(['--cluster-enabled', 'yes', ...bus])
    await redis.cli('cluster', 'addslotsrange', '0', '16383')
    await vi.waitFor(
      async () => expect(await redis.cli('cluster', 'info')).toContain('cluster_state:ok'),
      10_000,
    )
    const registry = instances.open(redis.url)
    await answers(registry)
    await mint(registry, 's1')
    await registry.markLogout({ issuer: 'i', sid: 'x', issuedBefore: NOW, keepUntil: NOW + 60 })
    expect(await commandsOf(registry, 's2')).toBe(3)
    const question = { ...standingQuery(), identity: { issuer: 'i', subject: 's', sid: 'x' } }
    expect((await registry.readStanding(question)).loggedOutAt).toBe(NOW)
    expect(pageIds(await registry.listSessions(query()))).toEqual(['s2', 's1'])
  })
})
