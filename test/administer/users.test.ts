import { expect, test } from 'vitest'
import { createAdministerUsers } from '../../src/administer/users.ts'
import { type ErrorCode, ServiceError } from '../../src/lib/errors.ts'
import { createSqliteRegistry } from '../../src/registry/sqlite.ts'
import { chainedEntry, NOW } from '../contracts/registry-fixtures.ts'
import { userId } from '../support/ids.ts'

const request = { actor: 'idp|ada', ownUser: userId('ada'), requestId: 'req_1', route: '' }

/** What an admin reads of alice while her threads fail so, and an entry waits for the store. */
async function read(code: ErrorCode) {
  const registry = createSqliteRegistry({ path: ':memory:' })
  const waiting = chainedEntry({ id: 'aud_1', user: 'alice' })
  const flush = () => registry.appendAudit([waiting])
  const { readUser } = createAdministerUsers({
    registry,
    audit: { write: async () => {}, flush },
    threads: { list: () => Promise.reject(new ServiceError(code, { reason: 'the test says so' })) },
    now: () => NOW * 1000,
  })
  return readUser(request, userId('alice'), 20)
}

test('an admin sees a user without threads while these fail, with entries that waited for the store', async () => {
  const { threads, entries } = await read('upstream_unavailable')
  expect(threads).toMatchObject({ code: 'upstream_unavailable' })
  expect(entries).toMatchObject([{ id: 'aud_1' }])
})

test('an admin sees nothing of a user when the threads fail for the store', async () => {
  await expect(read('store_unavailable')).rejects.toMatchObject({ code: 'store_unavailable' })
})
