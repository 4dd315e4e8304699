import { describe, expect, test } from 'vitest'
import { type AuditEvent, createAudit } from '../../src/registry/audit.ts'
import { type AuditEntry, entryHash, isChained } from '../../src/registry/audit-entry.ts'
import { createSqliteRegistry } from '../../src/registry/sqlite.ts'
import { auditEntry } from '../contracts/registry-fixtures.ts'
import { recordingLog, stoppedClock } from '../support/issuer-settings.ts'
import { createFaultyRegistry } from '../support/registry/faulty-registry.ts'

const attempt: AuditEvent = {
  actor: 'https://idp.example/|eve',
  action: 'admin_attempt',
  outcome: 'refused',
  reason: 'GET /v1/admin/sessions',
  requestId: 'req_1',
}
const mint: AuditEvent = { ...attempt, action: 'mint', outcome: 'ok', reason: 'support' }

function setUp() {
  const registry = createFaultyRegistry(createSqliteRegistry({ path: ':memory:' }))
  const log = recordingLog()
  const clock = stoppedClock()
  const hashUser = (user: string) => `hash(${user.length})`
  const audit = createAudit({ registry, hashUser, now: clock.now, log: log.log })
  const entries = async () => {
    await audit.flush()
    const found: AuditEntry[] = []
    for (let after: string | undefined; ; after = found.at(-1)?.id) {
      const page = await registry.listAudit({ limit: 1000, after })
      found.push(...(page?.data ?? []))
      if (!page?.hasMore) return found
    }
  }
  return { registry, log, clock, audit, entries }
}

describe('write', () => {
  test('is durable when it resolves, and logs a line that names nobody', async () => {
    const { audit, registry, log, clock } = setUp()
    await audit.write({ ...attempt, action: 'revoke', user: 'alice', outcome: 'ok', reason: 'x' })
    expect((await registry.listAudit({ limit: 10 }))?.data).toEqual([
      {
        id: expect.stringMatching(/^aud_[0-9a-f]{32}$/),
        at: clock.now() / 1000,
        actor: attempt.actor,
        action: 'revoke',
        user: 'alice',
        outcome: 'ok',
        reason: 'x',
        requestId: 'req_1',
        chain: {
          instance: expect.stringMatching(/^ins_[0-9a-f]{16}$/),
          seq: 1,
          prev: undefined,
          salt: expect.stringMatching(/^[0-9a-f]{32}$/),
          byUser: false,
          erased: undefined,
        },
      },
    ])
    expect(log.lines).toMatchObject([
      { msg: 'audit', action: 'revoke', outcome: 'ok', user: 'hash(5)', request_id: 'req_1' },
    ])
    expect(log.text()).not.toMatch(/alice|idp\.example/)
  })

  test('throws the error of the store', async () => {
    const { audit, registry } = setUp()
    registry.failing.add('appendAudit')
    // The second one waits behind the first.
    for (let turn = 0; turn < 2; turn++) {
      await expect(audit.write(attempt)).rejects.toMatchObject({ code: 'store_unavailable' })
    }
  })
})

describe('note', () => {
  test('writes its entries within a moment, many at once', async () => {
    const { audit, registry } = setUp()
    for (let n = 0; n < 50; n++) audit.note({ ...mint, requestId: `req_${n}` })
    await expect.poll(() => registry.calls).toEqual(['appendAudit'])
    await audit.flush()
    expect((await registry.listAudit({ limit: 100 }))?.data).toHaveLength(50)
  })

  test('writes each batch by itself, also one that the store refused at first', async () => {
    const { audit, registry } = setUp()
    const written = async () => (await registry.listAudit({ limit: 100 }))?.data.length
    for (let batch = 1; batch <= 2; batch++) {
      audit.note(mint)
      await expect.poll(written).toBe(batch)
    }
    registry.failing.add('appendAudit')
    audit.note(mint)
    const tries = () => registry.calls.filter((name) => name === 'appendAudit').length
    await expect.poll(tries).toBe(3)
    registry.failing.clear()
    await expect.poll(written).toBe(3)
  })

  test('logs an attempt, but no mint, which has its own line in the access log', async () => {
    const { audit, log } = setUp()
    audit.note(mint)
    audit.note(attempt)
    expect(log.lines).toMatchObject([{ msg: 'audit', action: 'admin_attempt' }])
  })

  test('keeps entries while the store is down, logs that once each time, and writes them in order when it is back', async () => {
    const { audit, registry, log, entries } = setUp()
    for (const outage of [1, 2]) {
      registry.failing.add('appendAudit')
      for (const turn of [1, 2]) {
        audit.note({ ...mint, requestId: `req_${outage}${turn}` })
        await audit.flush()
      }
      registry.failing.clear()
      audit.note({ ...mint, requestId: `req_${outage}3` })
      const found = (await entries()).map(({ requestId }) => requestId)
      expect(found.slice(0, 3)).toEqual([3, 2, 1].map((turn) => `req_${outage}${turn}`))
      const complaints = log.lines.filter(({ msg }) => msg === 'audit entries wait for the store')
      expect(complaints).toHaveLength(outage)
    }
  })

  test('leaves out a user whom another instance erased while the entry waited, and keeps the chain', async () => {
    const { audit, registry, clock, entries, log } = setUp()
    const common = { registry, now: clock.now, log: log.log }
    const other = createAudit({ ...common, hashUser: () => undefined })
    registry.failing.add('appendAudit')
    const alice = { ...mint, user: 'alice' }
    for (const event of [alice, { ...mint, user: 'bob' }, { ...alice, reason: 'again' }]) {
      audit.note(event)
      await audit.flush()
      clock.advance(10)
    }
    registry.failing.clear()
    await other.write({ ...attempt, action: 'erase', user: 'alice', outcome: 'ok' })
    clock.advance(10)
    audit.note(alice)
    const found = await entries()
    const own = found.filter(isChained).filter(({ chain }) => chain.instance === audit.instance)
    expect(own.map(({ user, reason }) => [user, reason])).toEqual([
      ['alice', 'support'],
      [undefined, undefined],
      ['bob', 'support'],
      [undefined, undefined],
    ])
    expect(own.map(({ chain }) => chain.prev).slice(0, -1)).toEqual(own.slice(1).map(entryHash))
    expect(found.find(({ action }) => action === 'erase')).toMatchObject({ user: 'alice' })
  })

  test('leaves out a user up to the second of the last erase, but never names nobody in an erase', async () => {
    const { audit, registry, clock, entries, log } = setUp()
    const alice = { ...mint, user: 'alice' }
    const erase = { ...alice, action: 'erase' } as const
    const erasedAt = async (seconds: number) => {
      const now = () => seconds * 1000
      await createAudit({ registry, now, log: log.log, hashUser: () => undefined }).write(erase)
    }
    const began = clock.now() / 1000
    registry.failing.add('appendAudit')
    audit.note(erase)
    for (let turn = 0; turn < 3; turn++) {
      audit.note(alice)
      clock.advance(10)
    }
    await audit.flush()
    registry.failing.clear()
    for (const later of [5, 10]) await erasedAt(began + later)
    const own = (await entries()).filter(({ chain }) => chain?.instance === audit.instance)
    expect(own.map(({ action, user }) => [action, user])).toEqual([
      ['mint', 'alice'],
      ['mint', undefined],
      ['mint', undefined],
      ['erase', 'alice'],
    ])
  })

  test('leaves out an erased user also behind many erases of others, and behind those of long ago', async () => {
    const { audit, registry, clock, entries } = setUp()
    const began = clock.now() / 1000
    registry.failing.add('appendAudit')
    audit.note({ ...mint, user: 'alice' })
    await audit.flush()
    registry.failing.clear()
    clock.advance(10)
    const erases = (count: number, user: string, at: number) =>
      Array.from({ length: count }, (_, nth) => {
        const id = `aud_${user}${nth}`
        return auditEntry({ id, user, at, action: 'erase' })
      })
    await registry.appendAudit(erases(1, 'alice', began + 5))
    // More than a page has, and more than one looks at.
    await registry.appendAudit(erases(600, 'bob', began + 5))
    await registry.appendAudit(erases(5001, 'carol', began - 100))
    const [own] = await entries()
    expect(own).toMatchObject({ action: 'mint', user: undefined })
  })

  test('leaves out an erased user also behind the entry that says how many entries were dropped', async () => {
    const { audit, registry, clock, entries, log } = setUp()
    const other = createAudit({ registry, now: clock.now, log: log.log, hashUser: () => undefined })
    registry.failing.add('appendAudit')
    audit.note({ ...mint, user: 'alice' })
    await audit.flush()
    for (let n = 0; n <= 10_000; n++) audit.note({ ...mint, user: 'alice' })
    registry.failing.clear()
    clock.advance(10)
    await other.write({ ...attempt, action: 'erase', user: 'alice', outcome: 'ok' })
    const mints = (await entries()).filter(({ action }) => action === 'mint')
    expect(mints).toHaveLength(10_001)
    expect(new Set(mints.map(({ user }) => user))).toEqual(new Set([undefined]))
  })

  test('keeps only the latest 10,000 entries in a long outage, and adds an entry that says so', async () => {
    const { audit, registry, entries } = setUp()
    registry.failing.add('appendAudit')
    for (let n = 0; n < 12_000; n++) audit.note({ ...mint, requestId: `req_${n}` })
    await audit.flush()
    registry.failing.clear()
    const found = await entries()
    expect(found.map(({ requestId }) => requestId)).toEqual([
      ...Array.from({ length: 10_000 }, (_, n) => `req_${11_999 - n}`),
      undefined,
    ])
    expect(found.at(-1)).toMatchObject({
      action: 'dropped',
      outcome: 'failed',
      reason: '2000 entries that waited for the store are in the log only',
    })
    expect(unbroken(found.toReversed())).toBe(10_001)
  })

  test('a flush waits for the one under way', async () => {
    const { audit, registry, entries } = setUp()
    registry.slowMs = 50
    audit.note(mint)
    void audit.flush()
    expect(await entries()).toHaveLength(1)
  })
})

/** The number of entries of one instance that follow each other without a gap. */
function unbroken(oldestFirst: readonly AuditEntry[]): number {
  let prev: string | undefined
  let seq = 0
  for (const entry of oldestFirst) {
    if (!isChained(entry) || entry.chain.seq !== seq + 1 || entry.chain.prev !== prev) return seq
    prev = entryHash(entry)
    seq++
  }
  return seq
}

describe('the chain', () => {
  test('has every entry, written or noted, in one order without gap', async () => {
    const { audit, registry, entries } = setUp()
    registry.slowMs = 2
    const writes: Promise<void>[] = []
    for (let n = 0; n < 40; n++) {
      audit.note({ ...mint, requestId: `note_${n}` })
      writes.push(audit.write({ ...attempt, requestId: `write_${n}` }))
      if (n % 10 === 0) await writes.at(-1)
    }
    await Promise.all(writes)
    const found = (await entries()).toReversed()
    const turns = Array.from({ length: 40 }, (_, n) => [`note_${n}`, `write_${n}`]).flat()
    expect(found.map(({ requestId }) => requestId)).toEqual(turns)
    expect(unbroken(found)).toBe(80)
    expect(registry.calls.filter((name) => name === 'appendAudit').length).toBeLessThan(20)
  })

  test.each(['failing', 'losing'] as const)(
    'has no gap and no entry twice when an append fails: the store was %s',
    async (fault) => {
      const { audit, registry, entries } = setUp()
      audit.note({ ...mint, requestId: 'before' })
      await audit.flush()
      registry[fault].add('appendAudit')
      await expect(audit.write({ ...attempt, requestId: 'refused' })).rejects.toMatchObject({
        code: 'store_unavailable',
      })
      audit.note({ ...mint, requestId: 'noted' })
      await audit.flush()
      registry[fault].clear()
      await audit.write({ ...attempt, requestId: 'after' })
      const found = (await entries()).toReversed()
      expect(found.map(({ requestId }) => requestId)).toEqual([
        ...['before', 'refused', 'noted', 'after'],
      ])
      expect(unbroken(found)).toBe(4)
    },
  )

  test('is a new one at each start of the service', async () => {
    const { audit, registry, log, clock, entries } = setUp()
    const second = createAudit({ registry, hashUser: (user) => user, now: clock.now, log: log.log })
    await audit.write(attempt)
    await second.write(attempt)
    const places = (await entries()).map(({ chain }) => [chain?.seq, chain?.prev])
    expect(places).toEqual([
      [1, undefined],
      [1, undefined],
    ])
    expect(new Set((await entries()).map(({ chain }) => chain?.instance)).size).toBe(2)
  })

  test.each<[boolean, Partial<AuditEvent>]>([
    [true, { actor: 'issuer|alice', user: 'u_pseudonym', byUser: true }],
    [true, { actor: 'issuer|alice', user: 'issuer|alice' }],
    [false, { actor: 'issuer|ada', user: 'issuer|alice' }],
    [false, { actor: 'key:billing', user: 'alice', byUser: false }],
  ])('knows whether the actor is the user (%s): %j', async (byUser, event) => {
    const { audit, entries } = setUp()
    await audit.write({ ...attempt, ...event })
    expect((await entries())[0]?.chain?.byUser).toBe(byUser)
  })
})

describe('an action that one caller repeats', () => {
  test.each(['introspection_attempt', 'backend_attempt'] as const)(
    'is written once a minute for each address, where it is a guess: %s',
    async (action) => {
      const { audit, entries, clock } = setUp()
      const guess = (from: string) => audit.note({ ...attempt, actor: `address:${from}`, action })
      for (let n = 0; n < 40; n++) for (const from of ['192.0.2.1', '192.0.2.2']) guess(from)
      expect(await entries()).toHaveLength(2)
      clock.advance(60)
      guess('192.0.2.1')
      expect(await entries()).toHaveLength(3)
    },
  )

  test('is written 60 times a minute, and again in the next', async () => {
    const { audit, clock, entries, log } = setUp()
    for (let n = 0; n < 500; n++) audit.note(attempt)
    expect(await entries()).toHaveLength(60)
    expect(log.lines).toHaveLength(60)
    clock.advance(60)
    audit.note(attempt)
    expect(await entries()).toHaveLength(61)
  })

  test('is written again when the clock is set back', async () => {
    const { audit, clock, entries } = setUp()
    for (let n = 0; n < 500; n++) audit.note(attempt)
    clock.advance(-3600)
    audit.note(attempt)
    expect(await entries()).toHaveLength(61)
  })

  test.each<[string, Partial<AuditEvent>]>([
    ['another caller', { actor: 'https://idp.example/|bob' }],
    ['another action', { action: 'sign_out' }],
    ['another reason', { reason: 'GET /v1/admin/audit' }],
    ['another outcome', { outcome: 'failed' }],
  ])('%s is not concerned', async (_name, changes) => {
    const { audit, entries } = setUp()
    for (let n = 0; n < 500; n++) audit.note(attempt)
    audit.note({ ...attempt, ...changes })
    expect(await entries()).toHaveLength(61)
  })

  test('is remembered of 10,000 callers at most', async () => {
    const { audit, entries } = setUp()
    for (let n = 0; n < 500; n++) audit.note(attempt)
    expect(await entries()).toHaveLength(60)
    const others = { action: 'backend_attempt', reason: 'x' } as const
    for (let n = 0; n < 9_999; n++) audit.note({ ...attempt, ...others, actor: `address:${n}` })
    await audit.flush()
    audit.note(attempt)
    expect((await entries()).length).toBe(60 + 9_999)
    audit.note({ ...attempt, ...others, actor: 'address:last' })
    audit.note(attempt)
    expect((await entries()).length).toBe(60 + 9_999 + 2)
  })

  test('is written each time if it is a successful mint: mints have their own limit', async () => {
    const { audit, entries } = setUp()
    for (let n = 0; n < 500; n++) audit.note(mint)
    expect(await entries()).toHaveLength(500)
  })
})
