import { createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { inspect } from 'node:util'
import { afterAll, afterEach, beforeAll, describe, expect, it, test, vi } from 'vitest'
import { listenOnLoopback } from '../../src/embedded/kit/listen.ts'
import type { ServiceError } from '../../src/lib/errors.ts'
import { FIRST_LEASE_MS } from '../../src/registry/port.ts'
import {
  auditEntry,
  entry,
  ids,
  NOW,
  order,
  ownership,
  type PlainRegistry,
  pageIds,
  query,
  retention,
  standingQuery,
} from '../contracts/registry-fixtures.ts'
import { allowDocumentedUser, DOCUMENTED_USER } from '../support/registry/documented-user.ts'
import { startCluster, startRedis, type TestRedis, wantsRedis } from '../support/registry/redis.ts'
import { answers, claim, everyCall, redisInstances } from '../support/registry/redis-instances.ts'
import { startTcpProxy } from '../support/registry/tcp-proxy.ts'
import { forAllTests, forEachTest } from '../support/started.ts'

const refused = { code: 'store_unavailable' }
const instances = redisInstances()

describe.runIf(wantsRedis())('a Redis that fails', () => {
  const redis = forEachTest(() => startRedis(['--appendonly', 'yes', '--appendfsync', 'always']))
  const registry = forEachTest(() => instances.answering(redis.url))
  afterEach(() => instances.closeAll())

  it('refuses every method when it is killed, and has everything when it is back', async () => {
    const block = { until: NOW + 60, reason: undefined, by: 'a' }
    await registry.record(entry({ id: 's1' }))
    await registry.record(entry({ id: 's2', user: 'bob' }))
    await registry.revoke(order({ block }))
    await redis.kill()
    await Promise.all(
      everyCall(registry).map((call) => expect(call()).rejects.toMatchObject(refused)),
    )
    await redis.restart()
    await answers(registry)
    const standing = await registry.readStanding(standingQuery())
    expect(standing).toMatchObject({ generation: 1, blockedUntil: NOW + 60 })
    expect(ids(await claim(registry, (NOW + 60) * 1000))).toEqual(['s1'])
    expect((await registry.getSession('s2'))?.status).toBe('active')
  })

  it('lets the first calls wait a little when it hangs, and refuses the others at once', async () => {
    redis.freeze()
    const first = everyCall(registry).map((call) => expect(call()).rejects.toMatchObject(refused))
    await Promise.all(first)
    // If the first calls had taught nothing, each of these would wait for its own time-out.
    for (let at = 0; at < 200; at++) {
      await expect(registry.readStanding(standingQuery())).rejects.toMatchObject(refused)
    }
    redis.thaw()
    await answers(registry)
    expect((await registry.readStanding(standingQuery('carol'))).generation).toBe(0)
  }, 10_000)

  // With a second of silence instead of a quarter, because on a busy machine the proxy stands still, too.
  it('calls wait while it answers steadily 1.6 times as late as it may be silent, and are refused once it stops', async () => {
    const proxy = await startTcpProxy(redis.port)
    const slow = await instances.answering(`redis://127.0.0.1:${proxy.port}`, { callMs: 1000 })
    const took: number[] = []
    const calls: Promise<unknown>[] = []
    for (let at = 0; at < 50; at++) {
      proxy.delay(Math.min(40 * at, 1600))
      const begun = performance.now()
      const call = slow.record(entry({ id: `s${at}` }))
      calls.push(call.then(() => took.push(performance.now() - begun)))
      await sleep(20)
    }
    await Promise.all(calls)
    expect(Math.max(...took)).toBeGreaterThan(1600)
    redis.freeze()
    await expect(slow.record(entry({ id: 'none' }))).rejects.toMatchObject(refused)
    await expect(slow.getSession('s1')).rejects.toMatchObject(refused)
    redis.thaw()
    proxy.close()
  })

  it('may execute a revoke late if it got it before it hung; the outbox then has the cancel', async () => {
    await registry.record(entry({ id: 's1' }))
    redis.freeze()
    await expect(registry.revoke(order())).rejects.toMatchObject(refused)
    redis.thaw()
    await answers(registry)
    const status = (await registry.getSession('s1'))?.status
    const waiting = ids(await claim(registry, NOW * 1000 + FIRST_LEASE_MS))
    expect(waiting).toEqual(status === 'cancelling' ? ['s1'] : [])
  })

  it('lets counters go on in memory, without a standing', async () => {
    await redis.kill()
    const window = { seconds: 60, nowMs: NOW * 1000 }
    expect(await registry.consume('k', window)).toMatchObject({ used: 1 })
    expect(await registry.consume('k', window)).toMatchObject({ used: 2 })
    const begun = [
      await registry.beginMint(standingQuery(), window),
      await registry.beginMint(standingQuery(), window),
    ]
    expect(begun.map(({ rate }) => rate.used)).toEqual([1, 2])
    expect(begun.map(({ standing }) => standing)).toEqual([undefined, undefined])
    await expect(registry.record(entry({ id: 's1' }))).rejects.toMatchObject(refused)
  })

  it('gets the scripts again when it has forgotten them', async () => {
    await registry.record(entry({ id: 's1' }))
    await redis.cli('script', 'flush')
    expect(ids((await registry.revoke(order())).cancelling)).toEqual(['s1'])
  })

  it('refuses, and decides nothing, when its keys hold something else', async () => {
    await registry.record(entry({ id: 's1' }))
    await redis.cli('hset', '{ckm}:session:s1', 'expires_at', 'nonsense')
    await expect(registry.revoke(order())).rejects.toMatchObject(refused)
    await expect(registry.beginCancel('s1', NOW)).rejects.toMatchObject(refused)
    await redis.cli('hset', '{ckm}:session:s1', 'status', 'nonsense')
    await expect(registry.getSession('s1')).rejects.toMatchObject(refused)
    await redis.cli('hset', '{ckm}:user:alice', 'generation', 'x')
    await expect(registry.readStanding(standingQuery())).rejects.toMatchObject(refused)
    await redis.cli('del', '{ckm}:user:alice')
    await redis.cli('set', '{ckm}:user:alice', 'a string')
    await expect(registry.readStanding(standingQuery())).rejects.toMatchObject(refused)
    await expect(registry.record(entry({ id: 's2' }))).rejects.toMatchObject(refused)
    expect(await redis.cli('exists', '{ckm}:session:s2', '{ckm}:outbox')).toBe('0')
  })

  it('goes on without the records that it has evicted', async () => {
    const block = { until: NOW + 60, reason: undefined, by: 'a' }
    const kept = { user: 'bob', subject: 'bob-sub' }
    await registry.record(entry({ id: 'lost' }))
    await registry.record(entry({ id: 'lost-cancel' }))
    await registry.record(entry({ id: 'kept', ...kept }))
    for (const id of ['lost-cancel', 'kept']) await registry.beginCancel(id, NOW)
    await registry.revoke(order({ user: 'carol', block }))
    await registry.appendAudit([auditEntry({ id: 'lost' }), auditEntry({ id: 'kept' })])
    const thing = { source: 'helpdesk', kind: 'thread' } as const
    for (const id of ['lost', 'kept']) {
      await registry.claimOwnership({
        ...thing,
        id,
        user: entry({ id }).session.user,
        createdAt: NOW,
      })
    }
    const session = ['{ckm}:session:lost', '{ckm}:session:lost-cancel']
    await redis.cli(
      'del',
      ...session,
      '{ckm}:user:carol',
      '{ckm}:audit-entry:lost',
      '{ckm}:known-user:alice',
      '{ckm}:owner:thread\nhelpdesk\nlost',
    )

    expect((await registry.listSessions(query()))?.data.map(({ id }) => id)).toEqual(['kept'])
    expect((await registry.listBlocks(query()))?.data).toEqual([])
    const owned = await registry.listOwned({ ...thing, limit: 20, order: 'asc' })
    expect(owned?.data.map(({ id }) => id)).toEqual(['kept'])
    for (const within of [{}, { since: NOW - 600 }, { until: NOW + 600 }]) {
      const page = await registry.listAudit({ limit: 20, ...within })
      expect(page?.data.map(({ id }) => id)).toEqual(['kept'])
    }
    const cap = { max: 1, whenFull: 'evict_oldest' } as const
    expect(await registry.record(entry({ id: 'next' }, { cap }))).toMatchObject({
      kind: 'recorded',
    })
    const identity = { issuer: 'https://idp.example/', subject: 'alice-sub' }
    expect(ids((await registry.revoke(order({ identity }))).cancelling)).toEqual(['next'])
    expect(ids(await claim(registry, NOW * 1000 + FIRST_LEASE_MS))).toEqual(['kept', 'next'])
    await registry.sweep(retention(NOW + 1_000_000, NOW + 1_000_000))
    for (const set of ['sessions', 'ends', 'outbox', 'audit', 'known-users', 'blocks']) {
      expect(await redis.cli('exists', `{ckm}:${set}`), set).toBe('0')
    }
  })

  it('gives a user who was revoked sessions that work, also when it has evicted the order of creation', async () => {
    await registry.record(entry({ id: 's1' }))
    const { generation } = await registry.revoke(order())
    await redis.cli('del', '{ckm}:seq')
    for (const id of ['s3', 's2']) await registry.record(entry({ id }, { generation }))
    const use = { user: 'alice', maxPerMinute: 1, counts: 'run', nowMs: NOW * 1000 } as const
    expect((await registry.useSession({ ...use, id: 's3' })).kind).toBe('ok')
    expect(pageIds(await registry.listSessions(query({ limit: 2 })))).toEqual(['s2', 's3'])
  })

  it('ends the running answers of replaced sessions by a revoke, also when it has evicted the order of creation', async () => {
    const state = { plan: 'pro' }
    const replace = (id: string, by: string, of: object = {}) =>
      registry.record(entry({ id: by, state }, { replaces: id, ...of }))
    for (const id of ['s0', 's1']) await registry.record(entry({ id, state }))
    await replace('s1', 's2')
    await redis.cli('del', '{ckm}:seq')
    await registry.record(entry({ id: 'other', user: 'bob' }))
    const { generation } = await registry.revoke(order())
    const ended = (...ids: readonly string[]) =>
      registry.endedAmong(ids.map((id) => ({ id, user: 'alice' })))
    expect(await ended('s0', 's1', 's2')).toEqual(['s0', 's1', 's2'])
    await redis.cli('del', '{ckm}:seq', '{ckm}:of-user:alice')
    await registry.revoke(order())
    expect(await ended('s0', 's1', 's2')).toEqual(['s0', 's1', 's2'])
    for (const id of ['s3', 's4']) await replace('s3', id, { generation: generation + 1 })
    await redis.cli('del', '{ckm}:of-user:alice')
    await registry.revoke(order())
    expect(await ended('s3', 's4')).toEqual(['s3', 's4'])
  })

  it('says nothing of a record that it cannot read but that it cannot', async () => {
    await registry.record(entry({ id: 's1' }))
    await redis.cli('hset', '{ckm}:session:s1', 'minted', 'alice-4711')
    for (const read of [() => registry.getSession('s1'), () => registry.revoke(order())]) {
      const error = await read().catch((thrown: ServiceError) => thrown)
      expect(error).toMatchObject(refused)
      expect(inspect(error)).not.toContain('4711')
    }
  })

  it('does not count sessions that it has evicted toward the cap', async () => {
    const cap = { max: 2, whenFull: 'deny' } as const
    for (const id of ['s1', 's2']) await registry.record(entry({ id }, { cap }))
    const live = async () =>
      (await registry.readStanding({ ...standingQuery(), exactFrom: 2 })).liveSessions
    expect(await live()).toBe(2)
    await redis.cli('del', '{ckm}:session:s1')
    expect(await live()).toBe(1)
    expect(await registry.record(entry({ id: 's3' }, { cap }))).toEqual({
      kind: 'recorded',
      ended: [],
    })
    expect(await redis.cli('zcard', '{ckm}:live:alice')).toBe('2')
    expect(await registry.record(entry({ id: 's4' }, { cap }))).toEqual({ kind: 'full' })
    const evicting = { max: 2, whenFull: 'evict_oldest' } as const
    expect(await registry.record(entry({ id: 's4' }, { cap: evicting }))).toMatchObject({
      ended: [{ id: 's2' }],
    })
  })

  it('refuses writes when it is full or read-only, and so does check', async () => {
    await redis.cli('config', 'set', 'maxmemory', '1')
    await expect(registry.check()).rejects.toMatchObject(refused)
    await expect(registry.revoke(order())).rejects.toMatchObject(refused)
    await redis.cli('config', 'set', 'maxmemory', '0')
    await registry.check()
    await redis.cli('replicaof', '127.0.0.1', '1')
    await expect(registry.revoke(order())).rejects.toMatchObject(refused)
    // The primary's name may have another address by now, so the connection is made anew.
    const oldestClient = async () =>
      Number(/^id=(\d+)/.exec(await redis.cli('client', 'list'))?.[1])
    const before = await oldestClient()
    await vi.waitFor(async () => {
      await expect(registry.revoke(order())).rejects.toMatchObject(refused)
      expect(await oldestClient()).toBeGreaterThan(before)
    }, 5_000)
    await redis.cli('replicaof', 'no', 'one')
    await answers(registry)
    expect((await registry.readStanding(standingQuery())).generation).toBe(0)
  })

  it('refuses every call when it is closed', async () => {
    await registry.close()
    await expect(registry.check()).rejects.toMatchObject(refused)
    await registry.close()
  })
})

test('calls are refused and connections given up, as long as Redis accepts them and never answers', async () => {
  let connections = 0
  const server = createServer((socket) => {
    connections++
    socket.on('error', () => {})
  })
  const { port } = await listenOnLoopback(server)
  const registry = instances.open(`redis://127.0.0.1:${port}`)
  await expect(registry.check()).rejects.toMatchObject(refused)
  await vi.waitFor(() => expect(connections).toBeGreaterThan(2), { timeout: 10_000 })
  await registry.close()
  server.close()
})

describe.runIf(wantsRedis())('a cluster', () => {
  let nodes: readonly TestRedis[] = []
  let registry: PlainRegistry
  beforeAll(async () => {
    nodes = await startCluster()
    registry = instances.open(`${nodes[0]?.url}`, { cluster: true })
    await answers(registry)
  })
  afterAll(async () => {
    await instances.closeAll()
    await Promise.all(nodes.map((node) => node.close()))
  })

  const holder = async () => {
    for (const node of nodes) if ((await node.cli('keys', '*')) !== '') return node
    throw new Error('no node has keys')
  }

  it('has all keys on one node, whatever users are called', async () => {
    for (let at = 0; at < 30; at++) await registry.record(entry({ id: `s${at}`, user: `{u}${at}` }))
    const counts = await Promise.all(nodes.map((node) => node.cli('dbsize')))
    expect(counts.map(Number).filter((count) => count > 0)).toHaveLength(1)
  })

  it('refuses while the slot of the keys moves, and goes on with all keys afterwards', async () => {
    const from = await holder()
    const to = nodes.find((node) => node !== from) ?? from
    const [fromId, toId] = [await from.cli('cluster', 'myid'), await to.cli('cluster', 'myid')]
    const slot = await from.cli('cluster', 'keyslot', '{ckm}')
    const setSlot = (node: TestRedis, ...how: string[]) =>
      node.cli('cluster', 'setslot', slot, ...how)
    const block = { until: NOW + 60, reason: undefined, by: 'a' }
    await registry.revoke(order({ user: 'moved', block }))
    // Each node has half of the keys: a step would see a user without a block.
    await setSlot(to, 'importing', fromId)
    await setSlot(from, 'migrating', toId)
    await expect(registry.readStanding(standingQuery('moved'))).rejects.toMatchObject(refused)
    const keys = await from.keys('*')
    await from.cli('migrate', '127.0.0.1', String(to.port), '', '0', '5000', 'keys', ...keys)
    await expect(registry.readStanding(standingQuery('moved'))).rejects.toMatchObject(refused)
    for (const node of [to, from, ...nodes]) await setSlot(node, 'node', toId)
    const standing = await vi.waitFor(() => registry.readStanding(standingQuery('moved')), 5_000)
    expect(standing).toMatchObject({ generation: 1, blockedUntil: NOW + 60 })
  })

  it('goes on when the node of the keys was killed and is back', async () => {
    const node = await holder()
    await node.kill()
    await expect(registry.getSession('s1')).rejects.toMatchObject(refused)
    await node.restart()
    await vi.waitFor(() => registry.getSession('s1'), { timeout: 15_000, interval: 50 })
    await answers(registry)
  })
})

describe.runIf(wantsRedis())('a step that stopped midway, because its user lost a command', () => {
  const redis = forAllTests(() => startRedis())
  afterEach(() => instances.closeAll())

  const block = { until: NOW + 60, reason: undefined, by: 'ada' }
  const LATER = { now: NOW + 60, auditBefore: NOW, usersSeenBefore: NOW }
  const nothing = async () => undefined
  const recorded = (registry: PlainRegistry) => registry.record(entry({ id: 's1' }))
  const confirming = async (registry: PlainRegistry) => {
    await recorded(registry)
    await registry.beginCancel('s1', NOW)
  }
  const ended = async (registry: PlainRegistry) => {
    await confirming(registry)
    await registry.confirmCancel(['s1'], NOW)
  }
  const waiting = async (registry: PlainRegistry) =>
    ids(await claim(registry, NOW * 1000 + FIRST_LEASE_MS))
  const keysLeft = async () =>
    (await redis.keys('*')).filter(
      (key) => key.includes('s1') || /:(?:of-workflow|secrets):/.test(key),
    )
  type Call = (registry: PlainRegistry) => Promise<unknown>

  /** Takes a step that stops at the command, and lets the user in again. */
  async function stopAt(command: string, before: Call, step: Call): Promise<PlainRegistry> {
    await redis.flush()
    await allowDocumentedUser(redis)
    const registry = await instances.answering(redis.url.replace('://', `://${DOCUMENTED_USER}@`))
    await before(registry)
    await redis.cli('acl', 'setuser', 'chatkit-mint', `-${command}`)
    await expect(step(registry)).rejects.toMatchObject(refused)
    await allowDocumentedUser(redis)
    return registry
  }

  it.each<[step: string, command: string, before: Call, step: Call, then: Call, found: unknown]>([
    ['revoke', 'zadd', recorded, (one) => one.revoke(order()), waiting, ['s1']],
    ['revoke', 'sadd', recorded, (one) => one.revoke(order()), waiting, ['s1']],
    ['cancel', 'zadd', recorded, (one) => one.beginCancel('s1', NOW), waiting, ['s1']],
    [
      'confirmed cancel',
      'srem',
      confirming,
      (one) => one.confirmCancel(['s1'], NOW),
      async (one) => ids((await one.revoke(order())).cancelling),
      [],
    ],
    [
      'block',
      'zadd',
      nothing,
      (one) => one.revoke(order({ block })),
      async (one) =>
        (await one.listBlocks({ limit: 1, order: 'asc', now: NOW }))?.data.map(({ user }) => user),
      ['alice'],
    ],
    [
      'mint',
      'zadd',
      nothing,
      recorded,
      async (one) => ids((await one.revoke(order())).cancelling),
      ['s1'],
    ],
    [
      "mint of a user's first session",
      'zadd',
      nothing,
      recorded,
      async (one) => (await one.listUsers({ q: 'al', limit: 1, now: NOW }))?.data.length,
      1,
    ],
    [
      'mint',
      'hget',
      nothing,
      recorded,
      async (one) => pageIds(await one.listSessions(query())),
      ['s1'],
    ],
    [
      'claim of a thread',
      'zadd',
      nothing,
      (one) => one.claimOwnership(ownership({ id: 't1' })),
      async (one) =>
        pageIds(await one.listOwned({ kind: 'thread', user: 'alice', limit: 1, order: 'asc' })),
      ['t1'],
    ],
    [
      'audit entry',
      'zadd',
      nothing,
      (one) => one.appendAudit([auditEntry({ id: 'a1' })]),
      async (one) => pageIds(await one.listAudit({ limit: 1 })),
      ['a1'],
    ],
    [
      'erase',
      'hdel',
      ended,
      (one) => one.eraseUser({ user: 'alice', limit: 9, now: NOW }),
      keysLeft,
      [],
    ],
    [
      'sweep',
      'del',
      ended,
      (one) => one.sweep({ ...LATER, sessionsEndedBefore: NOW + 1 }),
      keysLeft,
      [],
    ],
  ])(
    '%s without %s: is whole once it is repeated',
    async (_, command, before, step, then, found) => {
      const registry = await stopAt(command, before, step)
      await step(registry)
      expect(await then(registry)).toEqual(found)
    },
  )

  it.each(['zadd', 'sadd', 'hset', 'zrem'])(
    'a revoke without %s: names its session once, once it is repeated',
    async (command) => {
      const registry = await stopAt(command, recorded, (one) => one.revoke(order()))
      expect(ids((await registry.revoke(order())).cancelling)).toEqual(['s1'])
      expect(await redis.cli('exists', '{ckm}:live:alice')).toBe('0')
    },
  )

  it.each(['zadd', 'hset', 'hget'])(
    'a mint without %s that is never repeated: leaves nothing behind a revoke and an erase, nor behind the sweep',
    async (command) => {
      const erased = await stopAt(command, nothing, recorded)
      await erased.revoke(order())
      await erased.confirmCancel(['s1'], NOW)
      await erased.eraseUser({ user: 'alice', limit: 9, now: NOW })
      expect(await erased.isKnown('alice')).toBe(false)
      const left = { now: NOW + 601, auditBefore: 0, usersSeenBefore: 0 }
      await erased.sweep({ ...left, sessionsEndedBefore: NOW + 601 })
      expect(await keysLeft()).toEqual([])
      await erased.close()

      const swept = await stopAt(command, nothing, recorded)
      await swept.sweep({ ...left, sessionsEndedBefore: NOW + 601 })
      expect(await keysLeft()).toEqual([])
      expect(await redis.cli('exists', '{ckm}:of-user:alice', '{ckm}:of-subject:alice-sub')).toBe(
        '0',
      )
    },
  )
})
