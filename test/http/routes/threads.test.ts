import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { adminToken, auditOf, type PageSeen } from '../../support/admin-calls.ts'
import {
  MIXES,
  startThreadScene,
  type ThreadScene,
  type WorkflowName,
} from '../../support/chatkit/thread-scene.ts'
import { expectProblem } from '../../support/problem-answer.ts'
import type { RawAnswer } from '../../support/raw-http.ts'
import { APP_ORIGIN, ISSUER } from '../../support/running-service.ts'

let scene: ThreadScene

type Page = PageSeen<Readonly<Record<string, unknown>>>

async function page(query = '', user = 'alice'): Promise<Page> {
  const answer = await scene.call(`GET /v1/threads${query}`, { user })
  expect(answer.status, answer.body).toBe(200)
  return JSON.parse(answer.body)
}

const ids = ({ data }: Page) => data.map(({ id }) => id)

/** An answer without the parts that differ for each request. */
function withoutRequestId({ status, headers, body }: RawAnswer): unknown {
  const { 'x-request-id': requestId = '', date, ...rest } = headers
  return { status, headers: rest, body: body.replaceAll(String(requestId), 'REQUEST') }
}

describe.each(MIXES)('one’s own threads, %s', (_mix, workflows) => {
  const at = (number: number): WorkflowName => workflows[number % workflows.length] ?? 'support'
  beforeAll(async () => {
    scene = await startThreadScene({ workflows })
  })
  afterAll(() => scene.close())

  test('are listed as the ChatKit API lists them, newest first, and nobody else’s', async () => {
    expect(await page()).toEqual({
      object: 'list',
      data: [],
      first_id: null,
      last_id: null,
      has_more: false,
    })
    const old = await scene.seed(at(0), { user: 'alice', at: 1000 })
    await scene.seed(at(1), { user: 'bob', at: 1500 })
    const fresh = await scene.seed(at(1), { user: 'alice', at: 2000 })
    const all = await page()
    expect(all).toEqual({
      object: 'list',
      data: [
        { id: fresh, created_at: 2000 },
        { id: old, created_at: 1000 },
      ].map((one) => ({
        ...one,
        object: 'chatkit.thread',
        status: { type: 'active' },
        title: null,
        user: 'alice',
      })),
      first_id: expect.any(String),
      last_id: expect.any(String),
      has_more: false,
    })
    expect(workflows.length > 1 ? [] : [all.first_id, all.last_id]).toEqual(
      workflows.length > 1 ? [] : [fresh, old],
    )
    expect(ids(await page('?order=asc'))).toEqual([old, fresh])
    const first = await page('?limit=1')
    expect([ids(first), first.has_more]).toEqual([[fresh], true])
    const rest = await page(`?limit=1&after=${first.last_id}`)
    expect([ids(rest), rest.has_more]).toEqual([[old], false])
    if (workflows.length === 1) {
      const back = await page(`?limit=5&before=${rest.first_id}`)
      expect([ids(back), back.has_more]).toEqual([[fresh], false])
    }
    expect(ids(await page('?limit=0'))).toEqual([])
    expect((await page('?limit=0')).has_more).toBe(true)
  })

  test('are read, with their items, and deleted', async () => {
    const id = await scene.seed(at(1), { user: 'carol', items: 3 })
    const carol = { user: 'carol' }
    const thread = await scene.call(`GET /v1/threads/${id}`, carol)
    expect([thread.status, thread.json()]).toEqual([
      200,
      expect.objectContaining({ id, object: 'chatkit.thread', user: 'carol' }),
    ])
    const items = await scene.call(`GET /v1/threads/${id}/items?order=asc&limit=2`, carol)
    const first = JSON.parse(items.body)
    expect(first).toMatchObject({ object: 'list', has_more: true, last_id: first.data[1].id })
    const text = (item: { content: { text: string }[] }) => item.content[0]?.text
    expect(first.data.map(text)).toEqual(['carol says 0', 'carol says 1'])
    const more = await scene.call(
      `GET /v1/threads/${id}/items?order=asc&after=${first.last_id}`,
      carol,
    )
    expect(JSON.parse(more.body).data.map(text)).toEqual(['carol says 2'])
    const head = await scene.call(`HEAD /v1/threads/${id}`, carol)
    expect([head.status, head.body]).toEqual([200, ''])

    const gone = await scene.call(`DELETE /v1/threads/${id}`, carol)
    expect(gone.status).toBe(200)
    expect(gone.json()).toEqual({ id, object: 'chatkit.thread.deleted', deleted: true })
    expect(ids(await page('', 'carol'))).toEqual([])
    for (const line of ['GET', 'DELETE']) {
      expectProblem(await scene.call(`${line} /v1/threads/${id}`, carol), 404, 'not_found')
    }
    const [entry] = await auditOf(scene.running, '&action=delete_thread')
    expect(entry).toMatchObject({
      actor: `${ISSUER}|carol`,
      user: 'carol',
      outcome: 'ok',
      reason: id,
      by_user: true,
    })
  })

  test('someone else’s is answered byte for byte like one that does not exist', async () => {
    const foreign = await scene.seed(at(0), { user: 'bob' })
    const unknown = `${foreign.slice(0, -4)}zzzz`
    const headers = { origin: APP_ORIGIN }
    const lines = [
      'GET /v1/threads/ID',
      'GET /v1/threads/ID/items',
      'GET /v1/threads/ID/items?limit=5&after=cthi_x',
      'DELETE /v1/threads/ID',
    ]
    for (const line of lines) {
      const one = await scene.call(line.replace('ID', foreign), { headers })
      const other = await scene.call(line.replace('ID', unknown), { headers })
      expectProblem(one, 404, 'not_found')
      expect(withoutRequestId(one)).toEqual(withoutRequestId(other))
    }
    const still = await scene.call(`GET /v1/threads/${foreign}`, { user: 'bob' })
    expect(still.status).toBe(200)
  })

  test('a cursor of someone else’s thread is refused like one of no thread', async () => {
    const foreign = await scene.seed(at(0), { user: 'bob', at: 3000 })
    await scene.seed(at(0), { user: 'alice', at: 2500 })
    const theirs = await page('?limit=1', 'bob')
    for (const way of ['after', 'before']) {
      const refusals = []
      for (const cursor of [foreign, theirs.last_id, 'cthr_none', 'a.b', 'x'.repeat(400)]) {
        const answer = await scene.call(`GET /v1/threads?${way}=${cursor}`)
        expectProblem(answer, 400, 'invalid_request')
        refusals.push(withoutRequestId(answer))
      }
      expect(new Set(refusals.map((one) => JSON.stringify(one))).size).toBe(1)
    }
  })
})

describe('threads of several sources', () => {
  beforeAll(async () => {
    scene = await startThreadScene({
      config: (yaml) => yaml.replace('id: wf_sales,', `id: wf_sales, when: 'has(claims.seller)',`),
    })
  })
  afterAll(() => scene.close())

  test('are one list, and `workflow` picks one source', async () => {
    const planned = [
      ['support', 5],
      ['desk', 4],
      ['sales', 3],
      ['shop', 2],
      ['support', 1],
    ] as const
    const made = new Map<string, WorkflowName>()
    for (const [workflow, at] of planned.toReversed()) {
      made.set(await scene.seed(workflow, { user: 'dora', at }), workflow)
    }
    const newestFirst = [...made.keys()].toReversed()
    expect(ids(await page('', 'dora'))).toEqual(newestFirst)
    const of = (workflow: string) => newestFirst.filter((id) => made.get(id) === workflow)
    expect(ids(await page('?workflow=support', 'dora'))).toEqual(of('support'))
    // The same project behind another key.
    expect(ids(await page('?workflow=twin', 'dora'))).toEqual(of('support'))
    expect(ids(await page('?workflow=shop', 'dora'))).toEqual(of('shop'))
    const one = await page('?workflow=support&limit=1', 'dora')
    expect([one.first_id, one.last_id]).toEqual([of('support')[0], of('support')[0]])
    for (const id of newestFirst) {
      expect((await scene.call(`GET /v1/threads/${id}/items`, { user: 'dora' })).status).toBe(200)
    }
  })

  test('page forward only: `before` is 400, with a reason in the log and nothing asked upstream', async () => {
    await scene.seed('support', { user: 'gina' })
    const { first_id } = await page('', 'gina')
    scene.asked()
    for (const query of [`before=${first_id}`, `before=${first_id}&after=${first_id}`]) {
      const answer = await scene.call(`GET /v1/threads?${query}`, { user: 'gina' })
      expectProblem(answer, 400, 'invalid_request')
      expect(answer.body).toContain('pages forward only')
      expect(scene.running.logText()).toContain('\\"before\\" on a list merged')
    }
    expect(scene.asked()).toBe(0)
  })

  test('a workflow that is unknown, and one that is not the caller’s, look the same', async () => {
    await scene.seed('sales', { user: 'emil' })
    scene.asked()
    const forbidden = await scene.call('GET /v1/threads?workflow=sales', { user: 'emil' })
    const unknown = await scene.call('GET /v1/threads?workflow=none', { user: 'emil' })
    expectProblem(forbidden, 403, 'workflow_not_allowed')
    expect(withoutRequestId(forbidden)).toEqual(withoutRequestId(unknown))
    expect(scene.asked()).toBe(0)
    // Threads that exist already stay the user's own.
    expect(ids(await page('', 'emil'))).toHaveLength(1)
  })

  test('a source that is down fails a list, but no call that another source can answer', async () => {
    const hosted = await scene.seed('support', { user: 'finn' })
    const own = await scene.seed('desk', { user: 'finn' })
    scene.tamper = async () => Response.json({ error: { message: 'no' } }, { status: 500 })
    const as = { user: 'finn' }
    expectProblem(await scene.call('GET /v1/threads', as), 503, 'upstream_unavailable')
    expect((await scene.call(`GET /v1/threads/${own}`, as)).status).toBe(200)
    expect(ids(await page('?workflow=desk', 'finn'))).toEqual([own])
    for (const id of [hosted, 'cthr_none']) {
      const answer = await scene.call(`GET /v1/threads/${id}`, as)
      expectProblem(answer, 503, 'upstream_unavailable')
    }
    scene.tamper = undefined
    expect((await scene.call(`DELETE /v1/threads/${own}`, as)).status).toBe(200)
  })

  test('a user of an admin’s rights is a user here', async () => {
    const id = await scene.seed('support', { user: 'alice' })
    const answer = await scene.call(`GET /v1/threads/${id}`, { token: adminToken() })
    expectProblem(answer, 404, 'not_found')
  })
})
