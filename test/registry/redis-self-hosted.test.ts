import { afterAll, beforeEach, describe, expect, it } from 'vitest'
import { entry, NOW, ownership, type PlainRegistry } from '../contracts/registry-fixtures.ts'
import { startRedis, wantsRedis } from '../support/registry/redis.ts'
import { answers, redisInstances } from '../support/registry/redis-instances.ts'
import { forAllTests } from '../support/started.ts'

const instances = redisInstances()
const ALL = { kind: 'thread', limit: 20, order: 'desc' } as const
const USE = { id: 's1', user: 'alice', maxPerMinute: 5, counts: 'run', nowMs: NOW * 1000 } as const

describe.runIf(wantsRedis())('Redis with self-hosted workflows', () => {
  let registry: PlainRegistry

  const redis = forAllTests(() => startRedis())
  beforeEach(async () => {
    await instances.closeAll()
    await redis.flush()
    registry = instances.open(redis.url)
    await answers(registry)
  })
  afterAll(async () => {
    await instances.closeAll()
  })

  it('keeps ownership without expiry, and nothing of a thing that was released', async () => {
    await registry.claimOwnership(ownership({ id: 't1' }))
    await registry.claimOwnership(ownership({ id: 't1', user: 'bob' }))
    for (const key of [
      ...(await redis.keys('{ckm}:owner:*')),
      ...(await redis.keys('{ckm}:owned:*')),
    ]) {
      expect([key, await redis.cli('ttl', key)]).toEqual([key, '-1'])
    }
    expect(await redis.keys('{ckm}:owned:*')).toHaveLength(4)
    await registry.releaseOwnership(ownership({ id: 't1' }))
    expect(await redis.keys('{ckm}:own*')).toEqual(['{ckm}:owned-sources'])
  })

  it('refuses damaged keys', async () => {
    await registry.record(entry({ id: 's1', state: { plan: 'pro' } }))
    await registry.claimOwnership(ownership({ id: 't1' }))
    const refused = { code: 'store_unavailable' }
    const [owner = ''] = await redis.keys('{ckm}:owner:*')
    await redis.cli('hset', owner, 'kind', 'nonsense')
    await expect(registry.listOwned(ALL)).rejects.toMatchObject(refused)
    for (const [field, value] of [
      ['state', '{"plan":null}'],
      ['expires_at', 'soon'],
    ] as const) {
      await redis.cli('hset', '{ckm}:session:s1', field, value)
      await expect(registry.useSession(USE)).rejects.toMatchObject(refused)
    }
  })
})
