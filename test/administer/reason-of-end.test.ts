import { expect, test } from 'vitest'
import { createAdministerAudit } from '../../src/administer/audit.ts'
import { createSqliteRegistry } from '../../src/registry/sqlite.ts'
import { chainedEntry, NOW, session } from '../contracts/registry-fixtures.ts'

test('the reason of a revoked session is that of the first revoke of its user and admin since it ended', async () => {
  const registry = createSqliteRegistry({ path: ':memory:' })
  const by = { actor: 'idp|ada', user: 'alice', action: 'revoke' }
  const entries = [
    { ...by, at: NOW - 1, reason: 'an earlier one' },
    { ...by, at: NOW, action: 'admin_read', reason: 'a read' },
    { ...by, at: NOW, actor: 'idp|eve', reason: 'of another admin' },
    { ...by, at: NOW, user: 'bob', reason: 'of another user' },
    { ...by, at: NOW + 1, reason: 'the one' },
    { ...by, at: NOW + 2, reason: 'a later one' },
  ]
  await registry.appendAudit(entries.map((one, at) => chainedEntry({ id: `aud_${at}`, ...one })))
  const { reasonOfEnd } = createAdministerAudit({
    registry,
    audit: { write: async () => {}, flush: async () => {} },
  })
  const ended = { endReason: 'revoked', endedAt: NOW, endedBy: 'idp|ada' } as const
  const revoked = session({ id: 'cksess_1', user: 'alice', ...ended })
  expect(await reasonOfEnd(revoked)).toBe('the one')
  expect(await reasonOfEnd({ ...revoked, endReason: 'cancelled' })).toBeUndefined()
  expect(await reasonOfEnd({ ...revoked, endedAt: NOW - 120 })).toBeUndefined()
  expect(await reasonOfEnd({ ...revoked, endedAt: NOW + 3 })).toBeUndefined()
})
