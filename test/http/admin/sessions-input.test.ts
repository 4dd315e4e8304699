import { beforeAll, describe, expect, test } from 'vitest'
import { ADMIN_CONFIG, callAdmin, secretOf } from '../../support/admin-calls.ts'
import { expectProblem } from '../../support/problem-answer.ts'
import { serviceOnSqlite } from '../../support/registry/each-store.ts'

const running = serviceOnSqlite(ADMIN_CONFIG)

let ids: readonly string[]
beforeAll(async () => {
  await secretOf(running, 'alice')
  ids = running.upstream.sessions().map(({ id }) => id)
})

describe('an admin gets 400, and nothing goes upstream, for', () => {
  test.each([
    'limit=101',
    'limit=1&limit=1',
    'order=up',
    'order=asc&order=desc',
    'after=',
    'after=cksess_of_nobody',
    'before=cksess_of_nobody',
    'after=a&after=b',
    'status=live',
    'status=active&status=expired',
    'user=',
    'user=alice&user=bob',
    'user=%FF',
    'USER=alice',
    'x=1',
    '__proto__=1',
    'constructor=1',
    'user[]=alice',
    'user.x=1',
    'access_token=x',
  ])('GET /sessions?%s', async (query) => {
    const answer = await callAdmin(running, `GET /sessions?${query}`)
    expectProblem(answer, 400, 'invalid_request')
    expect(answer.body).not.toContain('cksess_of_nobody')
  })

  test.each(['GET /sessions/ID?x=1', 'POST /sessions/ID/cancel?force=true'])('%s', async (line) => {
    const answer = await callAdmin(running, line.replace('ID', String(ids[0])))
    expectProblem(answer, 400, 'invalid_request')
    expect(running.upstream.requests()).toEqual([])
    expect((await callAdmin(running, `GET /sessions/${ids[0]}`)).json()).toMatchObject({
      status: 'active',
    })
  })

  const badIds = ['%00', 'a%2Fb', '..%2fblocks', 'a%0d%0ab', 'ä', '%FF', '%zz', 'x'.repeat(129)]
  test.each(badIds)('the id %s', async (id) => {
    for (const line of [`GET /sessions/${id}`, `POST /sessions/${id}/cancel`]) {
      expectProblem(await callAdmin(running, line), 400, 'invalid_request')
    }
    expect(running.upstream.requests()).toEqual([])
  })

  test('a cancel with an unknown field', async () => {
    const line = `POST /sessions/${ids[0]}/cancel`
    const unknown = await callAdmin(running, line, { body: { reason: 'x' } })
    expectProblem(unknown, 400, 'invalid_request')
    const headers = { 'content-type': 'text/plain' }
    const text = await callAdmin(running, line, { body: 'x', headers })
    expectProblem(text, 415, 'unsupported_media_type')
    expect(running.upstream.requests()).toEqual([])
  })
})

test.each(['cksess_of_nobody', 'x'.repeat(128), '-', '__proto__', 'constructor'])(
  'the unknown id %s is 404, and nothing goes upstream',
  async (id) => {
    for (const line of [`GET /sessions/${id}`, `POST /sessions/${id}/cancel`]) {
      expectProblem(await callAdmin(running, line), 404, 'not_found')
    }
    expect(running.upstream.requests()).toEqual([])
  },
)
