import { afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { startThreadScene } from '../../support/chatkit/thread-scene.ts'
import { userId } from '../../support/ids.ts'
import { answerOf, expectProblem } from '../../support/problem-answer.ts'
import { ISSUER, tokenFor } from '../../support/running-service.ts'
import { forAllTests } from '../../support/started.ts'

let own: string
const scene = forAllTests(() => startThreadScene({ workflows: ['support', 'sales', 'desk'] }))
beforeAll(async () => {
  own = await scene.seed('support', { user: 'alice' })
})
afterEach(async () => {
  scene.tamper = undefined
  scene.careless = false
  expect((await scene.call(`GET /v1/threads/${own}`)).status).toBe(200)
})

const EACH_CALL = [
  'GET /v1/threads',
  'GET /v1/threads/ID',
  'GET /v1/threads/ID/items',
  'DELETE /v1/threads/ID',
] as const

describe('refused before anything is asked upstream:', () => {
  const queries = [
    ...['-1', '101', 'ten', '', '1.5', '1e1', '+5', '%205', '0x10', '999999'].map(
      (limit) => `limit=${limit}`,
    ),
    ...['newest', 'DESC', ''].map((order) => `order=${order}`),
    'after=',
    'before=',
    'user=bob',
    'user=alice',
    'x=1',
    '=1',
    'limit=1&limit=1',
    'after=a&after=b',
    'limit[]=1',
    `after=${'x'.repeat(9000)}`,
    'after=%ff',
  ]
  test.each(queries)('?%s', async (query) => {
    for (const path of ['/v1/threads', `/v1/threads/${own}/items`]) {
      scene.asked()
      expectProblem(await scene.call(`GET ${path}?${query}`), 400, 'invalid_request')
      expect(scene.asked()).toBe(0)
    }
  })

  test.each([
    `GET /v1/threads?workflow=support&workflow=support`,
    'GET /v1/threads/ID?limit=1',
    'GET /v1/threads/ID?user=alice',
    'GET /v1/threads/ID/items?workflow=support',
    'DELETE /v1/threads/ID?force=true',
  ])('%s', async (line) => {
    scene.asked()
    expectProblem(await scene.call(line.replace('ID', own)), 400, 'invalid_request')
    expect(scene.asked()).toBe(0)
  })

  test.each(['a%2Fb', '%00', '%ff', '..%2f..%2fsessions', 'cthr_x%3Fuser=bob', 'a'.repeat(129)])(
    'the id %s',
    async (id) => {
      for (const line of EACH_CALL.slice(1)) {
        scene.asked()
        expectProblem(await scene.call(line.replace('ID', id)), 400, 'invalid_request')
        expect(scene.asked()).toBe(0)
      }
    },
  )

  test('no token, a bad one, a token in the query', async () => {
    for (const line of EACH_CALL) {
      const [method = '', path = ''] = line.replace('ID', own).split(' ')
      const answer = await fetch(scene.running.url + path, { method })
      expectProblem(await answerOf(answer), 401, 'missing_token')
      const bad = await scene.call(line.replace('ID', own), { token: `${tokenFor()}x` })
      expectProblem(bad, 401, 'invalid_token')
    }
  })
})

describe('a caller is refused:', () => {
  test('a blocked user, after the query, the id and the workflow rule', async () => {
    const now = Math.floor(Date.now() / 1000)
    const block = { until: now + 600, reason: undefined, by: 'test' }
    const id = await scene.seed('support', { user: 'greta' })
    await scene.registry.revoke({
      user: userId('greta'),
      endReason: 'revoked',
      by: 'ada',
      block,
      now,
    })
    const as = { user: 'greta' }
    scene.asked()
    for (const line of EACH_CALL) {
      expectProblem(await scene.call(line.replace('ID', id), as), 403, 'user_blocked')
    }
    expectProblem(await scene.call('GET /v1/threads?limit=101', as), 400, 'invalid_request')
    expectProblem(await scene.call('DELETE /v1/threads/a.b', as), 400, 'invalid_request')
    const workflow = await scene.call('GET /v1/threads?workflow=none', as)
    expectProblem(workflow, 403, 'workflow_not_allowed')
    expect(scene.asked()).toBe(0)
  })

  test('a token from before a logout', async () => {
    const now = Math.floor(Date.now() / 1000)
    const id = await scene.seed('support', { user: 'hugo' })
    const mark = { issuer: ISSUER, subject: 'hugo', issuedBefore: now + 5, keepUntil: now + 600 }
    await scene.registry.markLogout(mark)
    scene.asked()
    for (const line of EACH_CALL) {
      const answer = await scene.call(line.replace('ID', id), { user: 'hugo' })
      expectProblem(answer, 401, 'invalid_token')
    }
    expect(scene.asked()).toBe(0)
    const later = tokenFor('hugo', { iat: now + 6 })
    expect((await scene.call(`GET /v1/threads/${id}`, { token: later })).status).toBe(200)
  })
})

describe('a thread that changes hands between check and act', () => {
  // A delete has no gap: it reads the owner's record in the same step.
  test.each(['GET /v1/threads/ID/items'])('%s', async (line) => {
    const id = await scene.seed('desk', { user: 'alice' })
    const thing = { source: scene.servers.desk.url, kind: 'thread', id } as const
    const { desk } = scene.servers
    const types: unknown[] = []
    const was = desk.onRequest
    desk.onRequest = async ({ type }) => {
      types.push(type)
      await scene.registry.releaseOwnership({ ...thing, user: userId('alice') })
      await scene.registry.claimOwnership({ ...thing, user: userId('bob'), createdAt: 1 })
    }
    const answer = await scene.call(line.replace('ID', id))
    desk.onRequest = was
    expectProblem(answer, 404, 'not_found')
    expect(types).toEqual(['threads.get_by_id'])
    expect(await scene.registry.ownersOf([thing])).toEqual(['bob'])
    expect((await scene.call(`GET /v1/threads/${id}`, { user: 'bob' })).status).toBe(200)
  })
})

describe('an upstream that shows what it should not', () => {
  test('foreign threads in a page are dropped, counted and logged, and pages stay whole', async () => {
    const mine: string[] = []
    for (let at = 0; at < 60; at++) {
      const user = at % 10 === 0 ? 'ines' : `other${at}`
      const id = await scene.seed('support', { user, at: 5000 + at })
      if (user === 'ines') mine.unshift(id)
    }
    scene.careless = true
    const found: string[] = []
    let query = '?workflow=support&limit=2'
    for (let pages = 0; pages < 10; pages++) {
      const answer = await scene.call(`GET /v1/threads${query}`, { user: 'ines' })
      const { data, first_id, last_id, has_more } = JSON.parse(answer.body)
      expect(data.map(({ user }: { user: string }) => user)).toEqual(['ines', 'ines'])
      expect([first_id, last_id]).toEqual([data[0].id, data[1].id])
      found.push(...data.map(({ id }: { id: string }) => id))
      if (found.length === mine.length) break
      expect(has_more).toBe(true)
      query = `?workflow=support&limit=2&after=${last_id}`
    }
    expect(found).toEqual(mine)
    const back = await scene.call(`GET /v1/threads?workflow=support&limit=2&before=${mine[4]}`, {
      user: 'ines',
    })
    expect(JSON.parse(back.body).data.map(({ id }: { id: string }) => id)).toEqual([
      mine[2],
      mine[3],
    ])
    const merged = await scene.call('GET /v1/threads?limit=100', { user: 'ines' })
    expect(JSON.parse(merged.body).data).toHaveLength(mine.length)
    const lines = scene.running.log.filter(({ count }) => count !== undefined)
    expect(lines[0]).toMatchObject({ level: 40, workflow: 'support', what: 'thread' })
    expect(JSON.stringify(lines)).not.toMatch(/ines|other\d/)
  })

  test('an upstream that shows only threads of others is refused, and not asked without end', async () => {
    scene.tamper = async (request, answer) => {
      if (!request.url.includes('user=')) return answer()
      const thread = { id: 'cthr_f', object: 'chatkit.thread', created_at: 1, title: null }
      const data = [{ ...thread, status: { type: 'active' }, user: 'bob' }]
      const page = { object: 'list', data, first_id: 'cthr_f', last_id: 'cthr_f', has_more: true }
      return Response.json(page)
    }
    scene.asked()
    const answer = await scene.call('GET /v1/threads?workflow=support')
    expectProblem(answer, 502, 'upstream_invalid_response')
    expect(answer.body).not.toContain('cthr_f')
    expect(scene.asked()).toBeLessThanOrEqual(20)
  })

  test('a 404 to a list counts as a refusal: a list is never missing', async () => {
    scene.tamper = async () => new Response('{}', { status: 404 })
    for (const path of ['/v1/threads', '/v1/threads?workflow=support']) {
      expectProblem(await scene.call(`GET ${path}`), 502, 'upstream_rejected')
    }
    expectProblem(await scene.call(`GET /v1/threads/${own}`), 404, 'not_found')
  })

  test('another thread than was asked for is not passed on', async () => {
    const bobs = await scene.seed('support', { user: 'bob' })
    scene.tamper = async (request, answer) => {
      const url = new URL(request.url)
      if (!url.pathname.endsWith(own)) return answer()
      return scene.projects.support.app.fetch(
        new Request(request.url.replace(own, bobs), { headers: request.headers }),
      )
    }
    for (const line of ['GET /v1/threads/ID', 'DELETE /v1/threads/ID'] as const) {
      const answer = await scene.call(line.replace('ID', own))
      expectProblem(answer, 502, 'upstream_invalid_response')
    }
  })

  test('items of another thread are dropped', async () => {
    const id = await scene.seed('support', { user: 'alice', items: 3 })
    const bobs = await scene.seed('support', { user: 'bob', items: 2 })
    scene.tamper = async (request, answer) => {
      if (!request.url.includes('/items')) return answer()
      const page = JSON.parse(await (await answer()).text())
      const other = new Request(request.url.replace(id, bobs), { headers: request.headers })
      const foreign = JSON.parse(await (await scene.projects.support.app.fetch(other)).text())
      const data = [...foreign.data, ...page.data]
      return Response.json({ ...page, data, first_id: data[0].id })
    }
    const answer = await scene.call(`GET /v1/threads/${id}/items`)
    const { data, first_id } = JSON.parse(answer.body)
    expect(data).toHaveLength(3)
    expect(first_id).toBe(data[0].id)
    expect(answer.body).not.toContain('bob')
  })
})

test('a client that leaves ends the upstream call', async () => {
  const arrived = Promise.withResolvers<AbortSignal>()
  scene.tamper = async ({ signal }) => {
    arrived.resolve(signal)
    await new Promise((resolve) => signal.addEventListener('abort', resolve))
    return new Response()
  }
  const controller = new AbortController()
  const left = fetch(`${scene.running.url}/v1/threads`, {
    headers: { authorization: `Bearer ${tokenFor()}` },
    signal: controller.signal,
  }).catch(() => undefined)
  const asked = await arrived.promise
  controller.abort()
  await left
  await vi.waitFor(() => expect(asked.aborted).toBe(true), 5000)
})
