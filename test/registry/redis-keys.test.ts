import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Registry } from '../../src/registry/port.ts'
import {
  auditEntry,
  entry,
  guardQuestion,
  ids,
  NOW,
  order,
  pageIds,
  query,
} from '../contracts/registry-fixtures.ts'
import { startRedis, type TestRedis, wantsRedis } from '../support/redis.ts'
import { answers, claim, redisInstances } from '../support/redis-instances.ts'

const instances = redisInstances()

describe.runIf(wantsRedis())('what Redis keeps', () => {
  let redis: TestRedis
  let registry: Registry

  beforeEach(async () => {
    redis = await startRedis(['--appendonly', 'yes', '--appendfsync', 'always'])
    registry = instances.open(redis.url)
    await answers(registry)
  })
  afterEach(async () => {
    await instances.closeAll()
    await redis.close()
  })

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
    await registry.admit(guardQuestion(), { max: 1, seconds: 60, nowMs: NOW * 1000 })
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
  let redis: TestRedis
  let registry: Registry
  beforeAll(async () => {
    redis = await startRedis()
    registry = instances.open(redis.url)
    await answers(registry)
  })
  afterAll(async () => {
    await instances.closeAll()
    await redis.close()
  })

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
