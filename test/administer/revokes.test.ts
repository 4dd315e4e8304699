import { expect, test, vi } from 'vitest'
import { blockForErase } from '../../src/administer/erase-block.ts'
import { createAdministerRevokes } from '../../src/administer/revokes.ts'
import { createAdministerSessions } from '../../src/administer/sessions.ts'
import { loadConfig } from '../../src/config/file/load-config.ts'
import type { Canceller } from '../../src/outbox/cancel.ts'
import type { AuditEvent } from '../../src/registry/audit.ts'
import { createSqliteRegistry } from '../../src/registry/sqlite.ts'
import { createRevoke } from '../../src/revoke/revoke.ts'
import { entry, NOW } from '../contracts/registry-fixtures.ts'
import { sessionId, userId } from '../support/ids.ts'
import { createFaultyRegistry } from '../support/registry/faulty-registry.ts'

const issuer = 'https://idp.example/'
const CONFIG = `
issuers: [{ issuer: '${issuer}', audience: [chat-api], algorithms: [ES256] }]
user: claims.sub
workflows: { support: { id: wf_support } }
`
const request = { actor: 'idp|eve', ownUser: userId('eve'), requestId: 'req_1', route: '' }
const now = () => NOW * 1000

function scene() {
  const registry = createSqliteRegistry({ path: ':memory:' })
  const audited: (string | undefined)[] = []
  const canceller: Pick<Canceller, 'cancelAll' | 'cancelSoon'> = {
    async cancelAll(sessions) {
      const ids = sessions.map(({ id }) => id)
      const isSlow = sessions.some(({ user }) => user === 'slow')
      return isSlow ? { cancelled: [], cancelling: ids } : { cancelled: ids, cancelling: [] }
    },
    cancelSoon() {},
  }
  const administer = createAdministerRevokes({
    registry,
    revoke: createRevoke({ registry, canceller, now }),
    audit: { write: async ({ user }) => void audited.push(user) },
    issuers: loadConfig(CONFIG, { file: 'test.yaml' }).settings.issuers,
    now,
  })
  return { registry, audited, ...administer }
}

test('a revoke, an unblock and a cancel that fail are in the audit, because they may have been done', async () => {
  const registry = createFaultyRegistry(createSqliteRegistry({ path: ':memory:' }))
  const canceller = { cancelAll: vi.fn(), cancelSoon() {} }
  const revoke = createRevoke({ registry, canceller, now })
  const write = vi.fn(async (_event: AuditEvent) => {})
  const parts = { registry, revoke, audit: { write }, issuers: [], now }
  const { revokeUser, liftBlock } = createAdministerRevokes(parts)
  const { cancelSession } = createAdministerSessions(parts)
  const alice = userId('alice')
  for (const method of ['revoke', 'liftBlock', 'beginCancel'] as const) registry.losing.add(method)
  const revoked = revokeUser(request, { user: alice, blockSeconds: 60, reason: 'why' })
  await expect(revoked).rejects.toMatchObject({ code: 'store_unavailable' })
  expect(await registry.getBlock(alice, NOW)).toMatchObject({ by: 'idp|eve' })
  await expect(liftBlock(request, alice)).rejects.toMatchObject({ code: 'store_unavailable' })
  const cancelled = cancelSession(request, sessionId('cksess_1'))
  await expect(cancelled).rejects.toMatchObject({ code: 'store_unavailable' })
  const by = { actor: 'idp|eve', requestId: 'req_1', outcome: 'failed' }
  expect(write.mock.calls).toEqual([
    [{ ...by, action: 'revoke', user: 'alice', reason: 'why' }],
    [{ ...by, action: 'unblock', user: 'alice' }],
    [{ ...by, action: 'cancel', reason: 'cksess_1' }],
  ])
})

test('a revoke by subject names the sessions of all its users, and knows it when any of them is known', async () => {
  const { registry, revokeSubject } = scene()
  const subject = 'never-here'
  for (const user of ['quick', 'slow']) {
    await registry.record(entry({ id: `cksess_${user}`, user, issuer, subject }))
  }
  expect(await revokeSubject(request, { issuer, subject, blockSeconds: 0 })).toEqual({
    ...{ user: subject, known: true, blockedUntil: undefined },
    ...{ cancelled: ['cksess_quick'], cancelling: ['cksess_slow'] },
  })
})

test('a revoke by subject revokes each of its users once, also the one that tokens are mapped to now', async () => {
  const { registry, audited, revokeSubject } = scene()
  for (const user of ['quick', 'slow']) {
    await registry.record(entry({ id: `cksess_${user}`, user, issuer, subject: 'slow' }))
  }
  await revokeSubject(request, { issuer, subject: 'slow', blockSeconds: 0 })
  expect(audited).toEqual(['slow', 'quick'])
})

test('a revoke without a block leaves the block of an erase to the erase', async () => {
  const { registry, revokeUser } = scene()
  const user = userId('alice')
  const begin = () => blockForErase({ registry, now }, { user, by: 'idp|ada' })
  await begin()
  const { blockedUntil } = await revokeUser(request, { user, blockSeconds: 0 })
  expect(await registry.getBlock(user, NOW)).toMatchObject({ by: 'idp|ada', until: blockedUntil })
  const again = await begin()
  await again.lift()
  expect(await registry.getBlock(user, NOW)).toBeUndefined()
})
