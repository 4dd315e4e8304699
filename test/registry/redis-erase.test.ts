import { afterAll, describe, expect, it } from 'vitest'
import { auditEntry, entry, NOW, order } from '../contracts/registry-fixtures.ts'
import { startRedis, wantsRedis } from '../support/registry/redis.ts'
import { redisInstances } from '../support/registry/redis-instances.ts'
import { forAllTests } from '../support/started.ts'

const instances = redisInstances()
const ERASE = { user: 'zoe-4711', keptAction: 'erase', limit: 100, now: NOW }

describe.runIf(wantsRedis())('what Redis keeps of a user who was erased', () => {
  const redis = forAllTests(() => startRedis())
  const registry = forAllTests(() => instances.answering(redis.url))
  afterAll(() => instances.closeAll())

  it('is the generation, and the set of a subject’s users for a day', async () => {
    await registry.record(entry({ id: 's1', user: 'zoe-4711', sid: 'sid' }))
    await registry.record(entry({ id: 's2', user: 'bob' }))
    await registry.appendAudit([auditEntry({ id: 'a1', user: 'zoe-4711' })])
    await registry.revoke(order({ user: 'zoe-4711' }))
    await registry.confirmCancel(['s1'], NOW)
    expect(await registry.eraseUser(ERASE)).toEqual({ erased: 2, more: false })
    for (const [command, key, ...rest] of [
      ['hexists', 'ckm:{i}:s', 's1'],
      ['hlen', 'ckm:{a}:s'],
      ['zcard', 'ckm:{a}:p'],
      ['zcard', 'ckm:{a}:t'],
      ['zcard', 'ckm:{i}:x'],
    ] as const) {
      expect([key, await redis.cli(command, key, ...rest)]).toEqual([key, '0'])
    }
    const lists = (await redis.cli('keys', 'ckm:{i}:l:*')).split('\n')
    for (const list of lists) expect(await redis.cli('zscore', list, 's1')).toBe('')
    expect(await redis.cli('hexists', 'ckm:{i}:s', 's2')).toBe('1')
  })
})
