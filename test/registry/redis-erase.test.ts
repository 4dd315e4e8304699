import { afterAll, describe, expect, it } from 'vitest'
import { auditEntry, chainedEntry, entry, NOW, order } from '../contracts/registry-fixtures.ts'
import { startRedis, wantsRedis } from '../support/registry/redis.ts'
import { redisInstances } from '../support/registry/redis-instances.ts'
import { forAllTests } from '../support/started.ts'

const instances = redisInstances()
const ERASE = { user: 'zoe-4711', limit: 100, now: NOW }

describe.runIf(wantsRedis())('a user who was erased', () => {
  const redis = forAllTests(() => startRedis())
  const registry = forAllTests(() => instances.answering(redis.url))
  afterAll(() => instances.closeAll())

  it('leaves only the generation in Redis, which expires after a day', async () => {
    await registry.record(entry({ id: 's1', user: 'zoe-4711', sid: 'sid-4711' }))
    await registry.record(entry({ id: 's2', user: 'bob' }))
    await registry.appendAudit([auditEntry({ id: 'a1', user: 'zoe-4711' })])
    await registry.revoke(order({ user: 'zoe-4711' }))
    await registry.confirmCancel(['s1'], NOW)
    expect(await registry.eraseUser(ERASE)).toEqual({ erased: 2, more: false })
    expect(await redis.cli('keys', '*4711*')).toBe('{ckm}:user:zoe-4711')
    expect(Number(await redis.cli('ttl', '{ckm}:user:zoe-4711'))).toBeLessThanOrEqual(86_400)
    for (const set of ['sessions', 'ends', 'of-workflow:support', 'of-subject:alice-sub']) {
      const key = `{ckm}:${set}`
      expect([key, await redis.cli('zrange', key, '0', '-1')]).toEqual([key, 's2'])
    }
    for (const set of ['audit', 'ended', 'outbox']) {
      expect([set, await redis.cli('exists', `{ckm}:${set}`)]).toEqual([set, '0'])
    }
  })

  it('is named by no key of the chained entries that stay', async () => {
    const actor = 'https://idp.example/|kim-4713'
    await registry.appendAudit([
      chainedEntry({ id: 'c1', user: 'kim-4713', actor }, { byUser: true }),
    ])
    const erased = await registry.eraseUser({ ...ERASE, user: 'kim-4713' })
    expect(erased).toEqual({ erased: 1, more: false })
    expect(await redis.keys('*4713*')).toEqual([])
  })

  it('is forgotten also when Redis has evicted sessions of theirs', async () => {
    for (const id of ['s3', 's4']) await registry.record(entry({ id, user: 'ann-4712' }))
    await registry.beginCancel('s4', NOW)
    await redis.cli('del', '{ckm}:session:s3', '{ckm}:session:s4')
    const erased = await registry.eraseUser({ ...ERASE, user: 'ann-4712' })
    expect(erased).toEqual({ erased: 0, more: false })
    expect(await redis.keys('*4712*')).toEqual([])
  })
})
