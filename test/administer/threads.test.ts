import { expect, test } from 'vitest'
import { createAdministerThreads } from '../../src/administer/threads.ts'
import { ServiceError } from '../../src/lib/errors.ts'
import type { AuditEvent } from '../../src/registry/audit.ts'
import type { Threads } from '../../src/threads/threads.ts'
import { userId } from '../support/ids.ts'

const request = {
  ...{ actor: 'idp|ada', ownUser: userId('ada'), requestId: 'req_1', route: 'GET /x' },
  call: { signal: new AbortController().signal },
}
const found = { id: 'thr_1', user: 'bob', thread: { id: 'thr_1', user: 'bob' } }

/** The functions of an admin over threads that only note the options of each call, and what is audited. */
function scene() {
  const calls: unknown[] = []
  const events: AuditEvent[] = []
  const noted =
    (answer: object) =>
    async (...args: readonly unknown[]) => {
      calls.push(args.at(-1))
      return answer
    }
  const threads = {
    ...{ list: noted({}), find: noted(found), listItems: noted({}), locate: noted(found) },
    async delete(...args: readonly unknown[]) {
      calls.push(args.at(-1))
      throw new ServiceError('upstream_timeout', { reason: 'no answer' })
    },
  } as unknown as Threads
  const audit = { write: async (event: AuditEvent) => void events.push(event) }
  return { calls, events, ...createAdministerThreads({ threads, audit }) }
}

const id = 'thr_1' as never

test('every call of an admin about threads ends with their request', async () => {
  const { calls, listThreads, readItems, deleteThread } = scene()
  await listThreads(request, { limit: 1, order: 'asc' })
  await readItems(request, { id, query: { limit: 1, order: 'asc' } })
  await expect(deleteThread(request, id)).rejects.toMatchObject({ code: 'upstream_timeout' })
  expect(calls).toEqual(Array(5).fill(request.call))
})

test('a deletion that fails is audited before and after, both times with the user of the thread', async () => {
  const { events, deleteThread } = scene()
  await expect(deleteThread(request, id)).rejects.toMatchObject({ code: 'upstream_timeout' })
  const event = { action: 'delete_thread', user: 'bob', reason: id }
  expect(events).toMatchObject([
    { ...event, outcome: 'ok' },
    { ...event, outcome: 'failed' },
  ])
})
