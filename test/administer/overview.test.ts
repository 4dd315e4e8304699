import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { AdminRequest } from '../../src/administer/audit.ts'
import { createReadOverview } from '../../src/administer/overview.ts'
import { createFigures } from '../../src/http/telemetry/figures.ts'
import { createLog } from '../../src/lib/log.ts'
import { Secret } from '../../src/lib/secret.ts'
import { createAudit } from '../../src/registry/audit.ts'
import type { Registry } from '../../src/registry/port.ts'
import { createRedisRegistry } from '../../src/registry/redis.ts'
import { createSqliteRegistry } from '../../src/registry/sqlite.ts'
import { entry, NOW, order } from '../contracts/registry-fixtures.ts'
import { plain, userId } from '../support/ids.ts'
import { createFaultyRegistry } from '../support/registry/faulty-registry.ts'
import { patient } from '../support/registry/patient-registry.ts'
import { startRedis, wantsRedis } from '../support/registry/redis.ts'
import { scratchFolder } from '../support/scratch-folder.ts'
import { forAllTests } from '../support/started.ts'

const log = createLog({ level: 'silent' })
const REQUEST: AdminRequest = {
  actor: 'https://idp.example/|ada',
  ownUser: userId('ada'),
  requestId: 'req_1',
  route: 'GET /admin',
}

/** Tests the overview with several instances over one store. */
function overviewTests(open: () => Registry): void {
  const opened: Registry[] = []
  afterEach(async () => {
    for (const registry of opened.splice(0)) await registry.close()
  })

  /** One instance: its part of the overview, and its figures. */
  function instanceOf(counted: { readonly mints: number; readonly refused: number }) {
    const registry = createFaultyRegistry(open())
    opened.push(registry)
    const now = () => NOW * 1000
    const audit = createAudit({ registry, hashUser: (user) => user, now, log })
    const snapshot = async () => ({
      ...{ mints: counted.mints, refusals: { rate_limited: counted.refused }, upstream: [] },
      activeSessions: (await registry.figures(NOW)).activeSessions,
    })
    const { instance } = audit
    const figures = createFigures({ snapshot, registry, instance, breakers: () => [], now })
    return { registry, audit, figures, readOverview: createReadOverview({ registry, audit, now }) }
  }

  test('the overview counts live sessions, waiting cancels and blocks of all instances', async () => {
    const [one, two] = [instanceOf({ mints: 0, refused: 0 }), instanceOf({ mints: 0, refused: 0 })]
    const [first, second] = [plain(one.registry), plain(two.registry)]
    await first.record(entry({ id: 's1', user: 'alice' }))
    await second.record(entry({ id: 's2', user: 'bob', subject: 'b' }))
    await second.record(entry({ id: 's3', user: 'carol', subject: 'c' }))
    const block = { until: NOW + 60, reason: undefined, by: 'ada' }
    await second.revoke(order({ user: 'carol', block }))
    const seen = { activeSessions: 2, outboxLength: 1, blocks: { count: 1, more: false } }
    for (const { readOverview } of [one, two]) expect(await readOverview(REQUEST)).toEqual(seen)
    await first.confirmCancel(['s3'], NOW)
    await first.liftBlock('carol', NOW)
    const after = { activeSessions: 2, outboxLength: 0, blocks: { count: 0, more: false } }
    expect(await two.readOverview(REQUEST)).toEqual(after)
  })

  test('of more than a hundred blocks it says that there are more', async () => {
    const { registry, readOverview } = instanceOf({ mints: 0, refused: 0 })
    const until = NOW + 60
    const blockOf = (at: number) =>
      plain(registry).revoke(
        order({ user: `u${at}`, block: { until, reason: undefined, by: 'a' } }),
      )
    for (let at = 0; at < 100; at++) await blockOf(at)
    expect((await readOverview(REQUEST)).blocks).toEqual({ count: 100, more: false })
    await blockOf(100)
    expect((await readOverview(REQUEST)).blocks).toEqual({ count: 100, more: true })
  })

  test('what an admin sees is in the audit, and without the store nothing is seen', async () => {
    const { registry, readOverview } = instanceOf({ mints: 0, refused: 0 })
    await readOverview(REQUEST)
    const entries = await registry.listAudit({ action: 'admin_read', limit: 9 })
    expect(entries?.data).toMatchObject([{ actor: REQUEST.actor, reason: 'GET /admin' }])
    for (const method of ['figures', 'listBlocks', 'appendAudit'] as const) {
      registry.failing.add(method)
      await expect(readOverview(REQUEST)).rejects.toMatchObject({ code: 'store_unavailable' })
      registry.failing.clear()
    }
  })

  test('each instance sees the mints and refusals of all, and names them as the audit does', async () => {
    const [one, two] = [instanceOf({ mints: 3, refused: 1 }), instanceOf({ mints: 40, refused: 0 })]
    await one.figures.stop()
    await two.figures.stop()
    for (const { figures, audit } of [one, two]) {
      const { samples, instances } = await figures.recent(15)
      expect(samples).toMatchObject([
        { mints: 43, refusals: { rate_limited: 1 }, instances: 2 },
        { mints: 0, refusals: {}, instances: 1 },
      ])
      expect(instances.map(({ id, self }) => [id, self]).toSorted()).toEqual(
        [one, two].map((other) => [other.audit.instance, other.audit === audit]).toSorted(),
      )
    }
    await one.readOverview(REQUEST)
    const entries = await one.registry.listAudit({ action: 'admin_read', limit: 1 })
    expect(entries?.data[0]?.chain?.instance).toBe(one.audit.instance)
  })
}

describe('over one file of SQLite', () => {
  let path: string
  beforeEach(() => {
    path = join(scratchFolder(), 'mint.db')
  })
  overviewTests(() => createSqliteRegistry({ path }))
})

describe.runIf(wantsRedis())('over one Redis', () => {
  const redis = forAllTests(() => startRedis())
  afterEach(() => redis.flush())
  overviewTests(() => {
    const location = { url: new Secret(redis.url), cluster: false, replicas: 0 }
    return patient(createRedisRegistry({ ...location, log }))
  })
})
