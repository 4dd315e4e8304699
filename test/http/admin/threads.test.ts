import { afterEach, describe, expect, test, vi } from 'vitest'
import { ServiceError } from '../../../src/lib/errors.ts'
import {
  ADA,
  type AuditSeen,
  askAdmin,
  auditOf,
  callAdmin,
  type PageSeen,
} from '../../support/admin-calls.ts'
import { startThreadScene } from '../../support/chatkit/thread-scene.ts'
import { expectProblem } from '../../support/problem-answer.ts'
import { forAllTests } from '../../support/started.ts'

interface ThreadSeen {
  readonly id: string
  readonly user: string
}

const scene = forAllTests(() => startThreadScene())
afterEach(() => vi.restoreAllMocks())

const list = (query: string) =>
  askAdmin<PageSeen<ThreadSeen>>(scene.running, `GET /threads${query}`)
const ids = ({ data }: PageSeen<ThreadSeen>) => data.map(({ id }) => id)
const adminCall = (line: string) => callAdmin(scene.running, line)

async function reads(): Promise<readonly AuditSeen[]> {
  const page = await askAdmin<PageSeen<AuditSeen>>(
    scene.running,
    'GET /audit?limit=100&action=admin_read',
  )
  return page.data.filter(({ reason }) => reason?.includes('/threads'))
}

describe('an admin', () => {
  test('lists threads of everyone, of one user, of one workflow', async () => {
    const one = await scene.seed('support', { user: 'alice', at: 100 })
    const two = await scene.seed('desk', { user: 'bob', at: 200 })
    const three = await scene.seed('sales', { user: 'bob', at: 300 })
    expect(ids(await list(''))).toEqual([three, two, one])
    expect(ids(await list('?order=asc'))).toEqual([one, two, three])
    expect(ids(await list('?user=bob'))).toEqual([three, two])
    expect(ids(await list('?user=nobody'))).toEqual([])
    expect(ids(await list('?workflow=sales'))).toEqual([three])
    expect(ids(await list('?workflow=desk&user=alice'))).toEqual([])
    const first = await list('?user=bob&limit=1')
    expect([ids(first), first.has_more]).toEqual([[three], true])
    const rest = await list(`?user=bob&limit=1&after=${first.last_id}`)
    expect([ids(rest), rest.has_more]).toEqual([[two], false])
    // A cursor works only for the list that it comes from.
    for (const query of ['?user=alice&', '?', '?user=bob&order=asc&', '?user=bob&workflow=desk&']) {
      const answer = await adminCall(`GET /threads${query}after=${first.last_id}`)
      expectProblem(answer, 400, 'invalid_request')
    }
    const [entry] = await reads()
    expect(entry).toMatchObject({ actor: ADA, outcome: 'ok', reason: 'GET /v1/admin/threads' })
  })

  test('gets 400 for `before`, because pages go forward only, and nothing is asked upstream', async () => {
    await scene.seed('support', { user: 'gina' })
    const { first_id } = await list('?user=gina')
    scene.asked()
    for (const query of [`user=gina&before=${first_id}`, 'before=cthr_none']) {
      const answer = await adminCall(`GET /threads?${query}`)
      expectProblem(answer, 400, 'invalid_request')
      expect(answer.body).toContain('pages forward only')
    }
    expect(scene.asked()).toBe(0)
    const one = await list('?user=gina&workflow=support')
    const before = await list(`?user=gina&workflow=support&before=${one.first_id}`)
    expect([ids(one).length, ids(before)]).toEqual([1, []])
  })

  test('reads and deletes any user’s threads, which is audited', async () => {
    for (const workflow of ['support', 'shop'] as const) {
      const id = await scene.seed(workflow, { user: 'clara', items: 2 })
      const thread = await askAdmin<ThreadSeen>(scene.running, `GET /threads/${id}`)
      expect(thread).toMatchObject({ id, user: 'clara' })
      const items = await askAdmin<PageSeen<unknown>>(
        scene.running,
        `GET /threads/${id}/items?limit=1`,
      )
      expect([items.data.length, items.has_more]).toEqual([1, true])
      expect((await reads()).slice(0, 2)).toMatchObject([
        { user: 'clara', reason: 'GET /v1/admin/threads/:id/items' },
        { user: 'clara', reason: 'GET /v1/admin/threads/:id' },
      ])
      const gone = await adminCall(`DELETE /threads/${id}`)
      expect([gone.status, gone.json()]).toEqual([
        200,
        { id, object: 'chatkit.thread.deleted', deleted: true },
      ])
      const [entry] = await auditOf(scene.running, '&action=delete_thread')
      expect(entry).toMatchObject({ actor: ADA, user: 'clara', outcome: 'ok', reason: id })
      expectProblem(await adminCall(`GET /threads/${id}`), 404, 'not_found')
    }
  })

  test('gets 404 for a thread that does not exist, which is audited too', async () => {
    for (const line of ['GET /threads/cthr_none', 'GET /threads/cthr_none/items']) {
      const before = (await reads()).length
      expectProblem(await adminCall(line), 404, 'not_found')
      expect((await reads()).length).toBe(before + 1)
    }
    expectProblem(await adminCall('DELETE /threads/cthr_none'), 404, 'not_found')
    const [entry] = await auditOf(scene.running, '&action=delete_thread')
    expect(entry).toMatchObject({ user: null, outcome: 'failed', reason: 'cthr_none' })
  })

  test('deletes and sees nothing that cannot be audited', async () => {
    const id = await scene.seed('support', { user: 'dina' })
    vi.spyOn(scene.registry, 'appendAudit').mockRejectedValue(
      new ServiceError('store_unavailable', { reason: 'the test says so' }),
    )
    for (const line of ['GET /threads', `GET /threads/${id}`, `DELETE /threads/${id}`]) {
      expectProblem(await adminCall(line), 503, 'store_unavailable')
    }
    vi.restoreAllMocks()
    expect((await adminCall(`GET /threads/${id}`)).status).toBe(200)
  })

  test.each([
    'GET /threads?workflow=none',
    'GET /threads?user=',
    `GET /threads?user=${'x'.repeat(513)}`,
    'GET /threads?user=a&user=b',
    'GET /threads?limit=101',
    'GET /threads?order=newest',
    'GET /threads?status=active',
    'GET /threads?after=a.b',
    'GET /threads?workflow=support&after=a.b',
    'GET /threads?workflow=support&after=cthr_none',
    'GET /threads/a.b',
    'GET /threads/a%2Fb/items',
    `GET /threads/${'a'.repeat(200)}`,
    'GET /threads/cthr_none?user=bob',
    'GET /threads/cthr_none/items?user=bob',
    'DELETE /threads/cthr_none?user=bob',
  ])('%s is refused', async (line) => {
    expectProblem(await adminCall(line), 400, 'invalid_request')
  })
})
