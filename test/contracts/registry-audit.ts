import { describe, expect, it } from 'vitest'
import type { AuditQuery } from '../../src/registry/records.ts'
import { auditEntry, NOW, pageIds, type Suite } from './registry-fixtures.ts'

/** appendAudit, listAudit. */
export function auditSuite({ registry }: Suite): void {
  const list = async (of: Partial<AuditQuery>) => {
    const page = await registry.listAudit({ limit: 20, ...of })
    return [pageIds(page).join(''), page?.hasMore]
  }

  describe('the audit trail', () => {
    it('gives back what it was given', async () => {
      const full = auditEntry({ id: 'x', user: 'u', reason: 'Grüße\n😀', requestId: 'req_1' })
      const bare = auditEntry({ id: 'y', outcome: 'refused' })
      await registry.appendAudit([full])
      await registry.appendAudit([bare])
      expect((await registry.listAudit({ limit: 20 }))?.data).toEqual([bare, full])
    })

    it('is newest first, filtered and paged', async () => {
      const rows = [
        ['d', 'mint', 'alice'],
        ['a', 'revoke', 'alice'],
        ['c', 'mint', 'bob'],
        ['b', 'mint', undefined],
        ['e', 'mint', 'alice'],
      ] as const
      for (const [id, action, user] of rows) {
        await registry.appendAudit([auditEntry({ id, action, user, at: NOW - id.charCodeAt(0) })])
      }
      expect(await list({})).toEqual(['ebcad', false])
      expect(await list({ user: 'alice' })).toEqual(['ead', false])
      expect(await list({ action: 'mint' })).toEqual(['ebcd', false])
      expect(await list({ user: 'alice', action: 'mint' })).toEqual(['ed', false])
      expect(await list({ limit: 2 })).toEqual(['eb', true])
      expect(await list({ limit: 2, after: 'b' })).toEqual(['ca', true])
      expect(await list({ limit: 2, after: 'a' })).toEqual(['d', false])
      expect(await list({ limit: 1, user: 'alice', action: 'mint', after: 'e' })).toEqual([
        'd',
        false,
      ])
      expect(await list({ limit: 0 })).toEqual(['', true])
      expect(await registry.listAudit({ limit: 1, after: 'nope' })).toBeUndefined()
    })

    it('holds a repeated entry once', async () => {
      await registry.appendAudit([auditEntry({ id: 'a' })])
      await registry.appendAudit([auditEntry({ id: 'b' }), auditEntry({ id: 'a', actor: 'x' })])
      await registry.appendAudit([])
      const page = await registry.listAudit({ limit: 5 })
      expect(page?.data).toEqual([auditEntry({ id: 'b' }), auditEntry({ id: 'a' })])
    })
  })
}
