import { describe, expect, it } from 'vitest'
import type { AuditQuery } from '../../src/registry/audit-entry.ts'
import { AUDIT_LATE_SECONDS, AUDIT_LOOKS } from '../../src/registry/port.ts'
import { auditEntry, chainedEntry, NOW, pageIds, type Suite } from './registry-fixtures.ts'

/** appendAudit, listAudit. */
export function auditSuite({ registry }: Suite): void {
  const list = async (of: Partial<AuditQuery>) => {
    const page = await registry.listAudit({ limit: 20, ...of })
    return [pageIds(page).join(''), page?.hasMore]
  }

  describe('the audit', () => {
    it('returns the entries that were appended', async () => {
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

    it('returns the link of an entry in the chain, and what an erase left', async () => {
      const first = chainedEntry({ id: 'x', user: 'u' }, { byUser: true })
      const erased = { user: 'd'.repeat(43), actor: 'e'.repeat(43) }
      const place = { seq: 2, prev: 'p'.repeat(43), salt: undefined, erased }
      const second = chainedEntry({ id: 'y', actor: undefined }, place)
      await registry.appendAudit([first, second])
      expect((await registry.listAudit({ limit: 20 }))?.data).toEqual([second, first])
    })

    it('is filtered by actor, by an action left out, by time, and by all of them together', async () => {
      const rows = [
        ['a', 'mint', 'ada', 'alice', 0],
        ['b', 'admin_read', 'ada', 'alice', 10],
        ['c', 'revoke', 'ada', 'alice', 20],
        ['d', 'revoke', 'bea', 'alice', 30],
        ['e', 'revoke', 'ada', 'bob', 40],
      ] as const
      const entries = rows.map(([id, action, actor, user, at]) => {
        return auditEntry({ id, action, actor, user, at: NOW + at })
      })
      await registry.appendAudit(entries)
      expect(await list({ actor: 'ada' })).toEqual(['ecba', false])
      expect(await list({ actor: 'ad' })).toEqual(['', false])
      expect(await list({ notAction: 'admin_read' })).toEqual(['edca', false])
      expect(await list({ notAction: 'revoke', action: 'revoke' })).toEqual(['', false])
      expect(await list({ since: NOW + 20 })).toEqual(['edc', false])
      expect(await list({ until: NOW + 20 })).toEqual(['ba', false])
      expect(await list({ since: NOW + 20, until: NOW + 20 })).toEqual(['', false])
      expect(await list({ since: NOW + 10, until: NOW + 31, limit: 2 })).toEqual(['dc', true])
      expect(await list({ since: NOW + 10, until: NOW + 31, after: 'c' })).toEqual(['b', false])
      const all = { actor: 'ada', user: 'alice', notAction: 'mint', since: NOW, until: NOW + 20 }
      expect(await list(all)).toEqual(['b', false])
      expect(await list({ ...all, action: 'revoke', until: NOW + 99 })).toEqual(['c', false])
    })

    it('finds an entry that was written late by its time, among thousands', async () => {
      const at = (n: number) => NOW + n * 60
      const others = Array.from({ length: 1500 }, (_, n) => auditEntry({ id: `o${n}`, at: at(n) }))
      await registry.appendAudit(others.slice(0, 900))
      const late = auditEntry({ id: 'late', at: at(900) - AUDIT_LATE_SECONDS + 61, action: 'mint' })
      await registry.appendAudit([late, ...others.slice(900)])
      const window = { since: late.at, until: late.at + 1, limit: 100 }
      expect(pageIds(await registry.listAudit(window))).toContain('late')
      expect(await list({ ...window, action: 'mint' })).toEqual(['late', false])
      const last = { since: at(1498), until: at(1500) }
      expect(await list(last)).toEqual(['o1499o1498', false])
      expect(await list({ until: at(2) })).toEqual(['o1o0', false])
      expect(await list({ since: at(3000) })).toEqual(['', false])
    })

    it('finds by its time what was written after a clock was hours ahead', async () => {
      const times = [0, 2 * AUDIT_LATE_SECONDS, 2 * AUDIT_LATE_SECONDS, 10, 20, 30]
      await registry.appendAudit(times.map((at, n) => auditEntry({ id: `${n}`, at: NOW + at })))
      expect(await list({ until: NOW + 30 })).toEqual(['430', false])
    })

    it('looks at a limited number of entries for a page, and says where to go on', async () => {
      await registry.appendAudit([auditEntry({ id: 'first', at: NOW - AUDIT_LATE_SECONDS - 1 })])
      for (let from = 0; from < AUDIT_LOOKS + 500; from += 500) {
        const mints = Array.from({ length: 500 }, (_, n) => ({
          id: `m${from + n}`,
          action: 'mint',
        }))
        await registry.appendAudit(mints.map(auditEntry))
      }
      const page = await registry.listAudit({ limit: 20, notAction: 'mint' })
      expect(page).toEqual({ data: [], hasMore: true, next: expect.stringMatching(/^m5\d\d$/) })
      expect(await list({ notAction: 'mint', after: page?.next })).toEqual(['first', false])
      expect(await list({ action: 'revoke' })).toEqual(['first', false])
      expect(await list({ until: NOW - AUDIT_LATE_SECONDS })).toEqual(['first', false])
      const at = NOW + AUDIT_LATE_SECONDS + 1
      await registry.appendAudit([auditEntry({ id: 'new', at })])
      expect(await list({ since: at })).toEqual(['new', false])
    })

    it('has each of many entries once and as it was written, in their order, when some are repeated', async () => {
      const entries = Array.from({ length: 37 }, (_, at) => {
        const base = { id: `a${at}`, at: NOW + at, user: at % 3 > 0 ? `u${at}` : undefined }
        return at % 2 > 0 ? auditEntry(base) : chainedEntry({ ...base, reason: `r${at}` })
      })
      await registry.appendAudit(entries.slice(0, 20))
      await registry.appendAudit(entries)
      const page = await registry.listAudit({ limit: 50 })
      expect(page?.data).toEqual(entries.toReversed())
    })

    it('has a repeated entry once', async () => {
      await registry.appendAudit([auditEntry({ id: 'a' })])
      await registry.appendAudit([auditEntry({ id: 'b' }), auditEntry({ id: 'a', actor: 'x' })])
      await registry.appendAudit([])
      const page = await registry.listAudit({ limit: 5 })
      expect(page?.data).toEqual([auditEntry({ id: 'b' }), auditEntry({ id: 'a' })])
    })
  })
}
