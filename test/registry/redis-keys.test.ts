import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { signInOf } from '../../src/registry/identity.ts'
import {
  auditEntry,
  entry,
  NOW,
  order,
  ownership,
  type PlainRegistry,
  retention,
  standingQuery,
} from '../contracts/registry-fixtures.ts'
import { guideText } from '../docs/samples.ts'
import { eventually } from '../support/eventually.ts'
import { startRedis, wantsRedis } from '../support/registry/redis.ts'
import { answers, claim, redisInstances } from '../support/registry/redis-instances.ts'
import { forEachTest } from '../support/started.ts'

const instances = redisInstances()
/** With a longer deadline, because the machine may be busy. */
const patient = (url: string) => instances.answering(url, { callMs: 5_000 })

describe.runIf(wantsRedis())('keys in Redis', () => {
  const redis = forEachTest(() => startRedis(['--appendonly', 'yes', '--appendfsync', 'always']))
  const registry = forEachTest(() => patient(redis.url))
  afterEach(() => instances.closeAll())

  it('start-up warns of settings with which Redis may lose data', async () => {
    expect(instances.lines.join('')).not.toMatch(/append-only|evict/)
    const careless = await startRedis(['--appendonly', 'no', '--maxmemory-policy', 'allkeys-lru'])
    try {
      await answers(instances.open(careless.url))
      await eventually(() => {
        expect(instances.lines.join('')).toMatch(/no append-only file/)
        expect(instances.lines.join('')).toMatch(/may evict keys/)
      })
    } finally {
      await careless.close()
    }
  })

  it('all lie in one slot, whatever users and tokens are called', async () => {
    await everyKind(registry, { user: '{u}:live:x', sid: '}{' })
    const keys = await redis.keys('*')
    expect(keys.filter((key) => !key.startsWith('{ckm}:'))).toEqual([])
    const slots = await Promise.all(keys.map((key) => redis.cli('cluster', 'keyslot', key)))
    expect(new Set(slots).size).toBe(1)
  })

  it('of a block lasts as long as the block, also after a revoke without one', async () => {
    const block = { until: NOW + 5_000_000, reason: 'why', by: 'a' }
    await registry.revoke(order({ block }))
    await registry.revoke(order())
    expect(Number(await redis.cli('ttl', '{ckm}:user:alice'))).toBeGreaterThan(5_000_000 - 60)
    // Nobody's name stays for the rest of a long block.
    await registry.liftBlock('alice', NOW)
    expect(Number(await redis.cli('ttl', '{ckm}:user:alice'))).toBeLessThanOrEqual(86_400)
    expect((await registry.readStanding(standingQuery())).generation).toBe(2)
  })

  it('of a block by an older version has no generation, which is read as 0, as in an older SQLite file', async () => {
    const block = { until: NOW + 60, reason: 'why', by: 'a' }
    await registry.revoke(order({ block }))
    await redis.cli('hdel', '{ckm}:user:alice', 'block_generation')
    const listed = await registry.listBlocks({ limit: 1, order: 'asc', now: NOW })
    expect(listed?.data).toEqual([await registry.getBlock('alice', NOW)])
    expect(listed?.data).toMatchObject([{ ...block, generation: 0 }])
    expect(await registry.liftBlock('alice', NOW, 1)).toBe(false)
    expect(await registry.revoke(order({ block }))).toMatchObject({ blockBefore: 0, generation: 2 })
    expect(await registry.liftBlock('alice', NOW, 2)).toBe(true)
  })

  it('are not swept by an instance whose clock is over an hour ahead, as far as it may ask', async () => {
    const before = { sessionsEndedBefore: NOW, auditBefore: NOW, usersSeenBefore: NOW, now: NOW }
    const isThere = async () => (await registry.getSession('s1')) !== undefined
    const record = () => registry.record(entry({ id: 's1', expiresAt: NOW - 10 }))
    await record()
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 3_700_000 })
    onTestFinished(() => void vi.useRealTimers())
    await expect(registry.sweep(before)).rejects.toMatchObject({
      reason: 'Redis: its clock is over an hour behind ours, so nothing is removed',
    })
    expect(await isThere()).toBe(true)
    vi.setSystemTime(Date.now() - 200_000)
    await registry.sweep(before)
    expect(await isThere()).toBe(false)

    await record()
    vi.setSystemTime(Date.now() + 200_000)
    await redis.cli('acl', 'setuser', 'default', '-info')
    await registry.sweep(before)
    expect(await isThere()).toBe(false)
  })

  it('of a generation lasts as long as the links of the newest session, which name it', async () => {
    const state = '{ckm}:user:alice'
    await registry.record(entry({ id: 's1' }))
    expect(await redis.keys(state)).toEqual([])
    await registry.revoke(order())
    await redis.cli('expire', state, '5')
    await registry.record(entry({ id: 's2' }, { generation: 1 }))
    await registry.liftBlock('alice', NOW)
    expect(Number(await redis.cli('ttl', state))).toBeGreaterThan(90_000)
    await redis.cli('expire', state, '500000')
    await registry.record(entry({ id: 's3' }, { generation: 1 }))
    expect(Number(await redis.cli('ttl', state))).toBeGreaterThan(400_000)
  })

  it('of a logout lasts as long as the longest that was asked for', async () => {
    const mark = { issuer: 'i', subject: 's', issuedBefore: NOW }
    await registry.markLogout({ ...mark, keepUntil: NOW + 5_000_000 })
    await registry.markLogout({ ...mark, keepUntil: NOW + 60 })
    const [name = ''] = await redis.keys('{ckm}:logout-subject:*')
    expect(Number(await redis.cli('ttl', name))).toBeGreaterThan(5_000_000)
  })

  it('are all named on the page on the store', async () => {
    await everyKind(registry, { user: 'alice', sid: 'x' })
    const kinds = new Set((await redis.keys('*')).map((key) => key.split(':')[1] ?? ''))
    expect(kinds.size).toBeGreaterThan(20)
    const page = guideText('store')
    expect([...kinds].filter((kind) => !page.includes(`\`${kind}\``))).toEqual([])
  })

  it('are one fewer for a sign-in without a sid; a list that an earlier version kept for it goes with its session', async () => {
    const sid = signInOf('alice-sub', undefined)
    await registry.record(entry({ id: 's1', sid }))
    expect(await redis.keys('{ckm}:of-sign-in:*')).toEqual([])
    const { issuer } = entry({ id: 's1' }).session
    await redis.cli('zadd', `{ckm}:of-sign-in:${issuer}\n\0alice-sub`, '1', 's1')
    expect(await redis.keys('{ckm}:of-sign-in:*')).toHaveLength(1)
    const command = { user: 'alice', limit: 10, now: NOW + 1000 } as const
    expect(await registry.eraseUser(command)).toMatchObject({ erased: 1 })
    expect(await redis.keys('{ckm}:of-sign-in:*')).toEqual([])
  })

  it.each([[true], [false]])(
    'all expire or are swept in the end, except keys of the service, sources and the order of creation (cancels asked for first: %s)',
    async (isClaimed) => {
      await everyKind(registry, { user: 'alice', sid: 'x' })
      await registry.releaseOwnership(ownership({ id: 't1' }))
      const later = NOW + 100_000
      if (isClaimed) await claim(registry, later * 1000)
      await registry.sweep(retention(later, later))
      const keys = await redis.keys('*')
      const ttls = await Promise.all(keys.map((key) => redis.cli('ttl', key)))
      const permanent = keys.filter((_, at) => ttls[at] === '-1').sort()
      const kinds = ['data', 'kept-key:k', 'owned-sources', 'seq']
      expect(permanent).toEqual(kinds.map((kind) => `{ckm}:${kind}`))
    },
  )
})

/** Makes a key of every kind. */
async function everyKind(
  registry: PlainRegistry,
  { user, sid }: { readonly user: string; readonly sid: string },
): Promise<void> {
  await registry.record(entry({ id: 's1', user, sid }))
  await registry.record(entry({ id: 's2', user }))
  await registry.beginCancel('s2', NOW)
  await registry.record(entry({ id: 's3', user: 'bob' }))
  const block = { until: NOW + 60, reason: 'why', by: 'a' }
  await registry.revoke(order({ user: 'carol', block }))
  await registry.markLogout({
    ...{ issuer: 'i', subject: user, sid },
    ...{ issuedBefore: NOW, keepUntil: NOW + 60 },
  })
  await registry.consume('k', { seconds: 60, nowMs: NOW * 1000 })
  await registry.beginMint(standingQuery(user), { seconds: 60, nowMs: NOW * 1000 })
  await registry.rememberOnce('jti', 60, NOW)
  await registry.keptKey('k', () => Uint8Array.of(1))
  await registry.claimOwnership(ownership({ id: 't1' }))
  await registry.appendAudit([auditEntry({ id: 'a1', user })])
  const counted = { mints: 1, refusals: {}, upstream: [], activeSessions: 1 }
  await registry.addFigures({ instance: 'ins_1', at: NOW, ...counted })
}

describe.runIf(wantsRedis())('the cost of a mint for Redis', () => {
  const redis = forEachTest(() => startRedis())
  const registry = forEachTest(() => patient(redis.url))
  afterEach(() => instances.closeAll())

  it('is one command before the call of the upstream, and one after it', async () => {
    const window = { seconds: 60, nowMs: NOW * 1000 }
    const mint = async (id: string) => {
      const question = { ...standingQuery(), identity: { issuer: 'i', subject: 's', sid: 'x' } }
      expect((await registry.beginMint(question, window)).standing?.generation).toBe(0)
      expect(await registry.record(entry({ id }))).toEqual({ kind: 'recorded', ended: [] })
    }
    await mint('s1')
    await redis.cli('config', 'resetstat')
    await mint('s2')
    // INFO also counts the commands of scripts, but only the client sends `EVALSHA`.
    const counted = await redis.cli('info', 'commandstats')
    expect(/^cmdstat_evalsha:calls=(\d+)/m.exec(counted)?.[1]).toBe('2')
  })
})

describe.runIf(wantsRedis())('the cost of a logout for Redis', () => {
  const redis = forEachTest(() => startRedis())
  const registry = forEachTest(() => patient(redis.url))
  afterEach(() => instances.closeAll())

  it.each([
    ['a subject', { subject: 's1' }],
    ['a sign-in', { sid: 'x1' }],
    ['a sign-in without `sid`', { sid: signInOf('s1', undefined) }],
  ])('does not grow with ended sessions of the user by other subjects: %s', async (_name, of) => {
    const user = 'team'
    for (let at = 0; at < 50; at++) {
      const session = { id: `s${at}`, user, subject: `s${at}`, sid: `x${at}`, expiresAt: NOW + 1 }
      await registry.record(entry(session, { cap: { max: 100, whenFull: 'deny' } }))
    }
    await redis.cli('config', 'resetstat')
    const identity = { issuer: 'https://idp.example/', ...of }
    await registry.revoke(order({ user, identity, now: NOW + 10 }))
    const counted = await redis.cli('info', 'commandstats')
    const reads = Number(/^cmdstat_hgetall:calls=(\d+)/m.exec(counted)?.[1])
    expect(reads).toBe(1)
  })

  it('is small for sessions of the subject that have ended for good', async () => {
    const identity = { issuer: 'https://idp.example/', subject: 'alice-sub' }
    for (let at = 0; at < 50; at++) {
      await registry.record(entry({ id: `s${at}` }, { cap: { max: 1, whenFull: 'evict_oldest' } }))
      await registry.confirmCancel([`s${at - 1}`], NOW)
    }
    await redis.cli('config', 'resetstat')
    expect(await registry.usersOf(identity)).toEqual(['alice'])
    await registry.revoke(order({ identity, now: NOW + 10_000 }))
    const counted = await redis.cli('info', 'commandstats')
    const callsOf = (name: string) =>
      Number(new RegExp(`^cmdstat_${name}:calls=(\\d+)`, 'm').exec(counted)?.[1])
    // The last session, which has expired, is read whole. Of the others only what says that they have ended.
    expect([callsOf('hgetall'), callsOf('hmget'), callsOf('hget')]).toEqual([1, 51, 51])
  })
})
