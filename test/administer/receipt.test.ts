import { beforeEach, expect, test } from 'vitest'
import { createReceipts } from '../../src/administer/receipt.ts'
import type { Receipt } from '../../src/chatkit/signing/receipt.ts'
import type { Audit } from '../../src/registry/audit.ts'
import type { Registry } from '../../src/registry/port.ts'
import { createSqliteRegistry } from '../../src/registry/sqlite.ts'
import { auditEntry, entry, NOW } from '../contracts/registry-fixtures.ts'
import { plain, userId } from '../support/ids.ts'

const REQUEST = { actor: 'idp|ada', ownUser: userId('ada'), requestId: 'req_1', route: 'GET /' }

let registry: Registry
let seconds: number
beforeEach(() => {
  registry = createSqliteRegistry({ path: ':memory:' })
  seconds = NOW
})

/** What a receipt of alice says. */
async function receiptSince(since = 0, write: Audit['write'] = async () => {}): Promise<Receipt> {
  const signed: unknown[] = []
  const receipts = createReceipts({
    registry,
    audit: { write },
    keys: { sign: (claims) => `jws ${signed.push(claims)}` },
    publicUrl: 'https://chat.example.com',
    retention: { sessionsHours: 24, auditDays: 30, usersDays: 400 },
    now: () => seconds * 1000,
  })
  expect(await receipts?.issueReceipt(REQUEST, userId('alice'), since)).toBe('jws 1')
  return signed[0] as Receipt
}

test('a session that expired ended then, and is listed as one that was live until then', async () => {
  await registry.record(entry({ id: 'cksess_1' }))
  seconds = NOW + 599
  expect((await receiptSince()).sessions).toMatchObject([{ status: 'active', ended_at: null }])
  seconds = NOW + 600
  const expired = { status: 'expired', ended_at: NOW + 600 }
  expect((await receiptSince(NOW + 600)).sessions).toMatchObject([expired])
  expect((await receiptSince(NOW + 601)).sessions).toEqual([])
})

test('a receipt has the newest thousand sessions, and says when there are more', async () => {
  const cap = { max: 2000, whenFull: 'evict_oldest' } as const
  for (const [first, last] of [
    [1, 1000],
    [1001, 1001],
  ] as const) {
    const ids = Array.from({ length: last - first + 1 }, (_, at) => `cksess_${first + at}`)
    await Promise.all(ids.map((id) => registry.record(entry({ id }, { cap }))))
    const { sessions, truncated } = await receiptSince()
    expect([sessions.length, sessions[0]?.id, truncated]).toEqual([
      ...[1000, `cksess_${last}`, last > 1000],
    ])
  }
})

test('a receipt is complete from the end of the last erase on, and from now on while one is under way', async () => {
  const erase = { user: 'alice', action: 'erase' } as const
  const append = (...entries: Parameters<typeof auditEntry>[0][]) =>
    plain(registry).appendAudit(entries.map(auditEntry))
  await append({ ...erase, id: 'aud_1', at: NOW - 100, reason: 'begun' })
  expect((await receiptSince()).from).toBe(NOW)
  await append({ ...erase, id: 'aud_2', at: NOW - 50, reason: 'complete: 1 thread' })
  expect((await receiptSince()).from).toBe(NOW - 50)
  // A page of the audit looks at 5,000 entries.
  await append(...Array.from({ length: 5001 }, (_, at) => ({ user: 'alice', id: `aud_a${at}` })))
  expect((await receiptSince()).from).toBe(NOW - 50)
})

test('no receipt is issued when the audit cannot have its entry', async () => {
  await expect(receiptSince(0, () => Promise.reject(new Error('down')))).rejects.toThrow('down')
})
