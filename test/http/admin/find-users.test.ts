import { beforeAll, describe, expect, test } from 'vitest'
import {
  ADMIN_CONFIG,
  askAdmin,
  callAdmin,
  type PageSeen,
  revoke,
  secretOf,
} from '../../support/admin-calls.ts'
import { expectProblem } from '../../support/problem-answer.ts'
import { serviceOnSqlite } from '../../support/registry/each-store.ts'
import { ISSUER, tokenFor } from '../../support/running-service.ts'

interface UserSeen {
  readonly user: string
  readonly last_seen: number
  readonly live_sessions: number
  readonly blocked_until: number | null
}

const USERS = ['alice', 'Alison', 'al%ce', 'al_ce', 'bob', 'ÖZLEM', 'שלום', '😀smile']

const running = serviceOnSqlite(ADMIN_CONFIG)

const list = (query = '') => askAdmin<PageSeen<UserSeen>>(running, `GET /users?${query}`)
const found = async (q: string) =>
  (await list(`q=${encodeURIComponent(q)}`)).data.map(({ user }) => user)

beforeAll(async () => {
  for (const user of USERS) await secretOf(running, user)
})

test('users come last seen first, each with all its fields', async () => {
  const page = await list()
  expect(page.data.map(({ user }) => user)).toEqual(USERS.toReversed())
  const now = Math.floor(Date.now() / 1000)
  const { last_seen, ...rest } = page.data.at(-1) ?? { last_seen: 0 }
  expect(rest).toEqual({
    user: 'alice',
    issuer: ISSUER,
    subject: 'alice',
    live_sessions: 1,
    blocked_until: null,
  })
  expect(now - last_seen).toBeLessThan(120)
  expect(page).toMatchObject({ first_id: '😀smile', last_id: 'alice', has_more: false })
})

test('q finds by the beginning of a name in any case, in the order of names', async () => {
  expect(await found('AL')).toEqual(['al%ce', 'al_ce', 'alice', 'Alison'])
  expect(await found('alis')).toEqual(['Alison'])
  expect(await found('özl')).toEqual(['ÖZLEM'])
  expect(await found('lice')).toEqual([])
})

test('marks of the writing direction, emoji, + and space in q are literal', async () => {
  expect(await found('שלו')).toEqual(['שלום'])
  expect(await found('\u200Fשלום')).toEqual([])
  expect(await found('\u202Ealice')).toEqual([])
  expect(await found('😀')).toEqual(['😀smile'])
  expect(await found('+')).toEqual([])
  expect(await found(' ')).toEqual([])
})

test('an empty q counts as absent', async () => {
  expect(await list('q=')).toEqual(await list())
})

test('pages go on from the user that a cursor names', async () => {
  const seen: string[] = []
  for (let after = ''; ; ) {
    const page = await list(`q=a&limit=3${after}`)
    seen.push(...page.data.map(({ user }) => user))
    if (!page.has_more) break
    after = `&after=${encodeURIComponent(page.last_id ?? '')}`
  }
  expect(seen).toEqual(['al%ce', 'al_ce', 'alice', 'Alison'])
  expect(await list('limit=0')).toMatchObject({ data: [], has_more: true })
})

test('a blocked user is shown with the end of the block', async () => {
  const { blocked_until } = await revoke(running, 'bob', { block_seconds: 60 })
  expect(blocked_until).toEqual(expect.any(Number))
  expect((await list('q=bob')).data).toMatchObject([{ live_sessions: 0, blocked_until }])
})

test('a search is a read in the audit, without its text', async () => {
  await list('q=someone-secret')
  const entries = await askAdmin<PageSeen<object>>(running, 'GET /audit?action=admin_read&limit=2')
  expect(entries.data[1]).toMatchObject({ user: null, reason: 'GET /v1/admin/users' })
  expect(JSON.stringify(entries)).not.toContain('someone-secret')
})

test('a q of 512 characters is accepted, also of emoji', async () => {
  expect(await found('😀'.repeat(512))).toEqual([])
  expect(await found('x'.repeat(512))).toEqual([])
})

describe('an admin gets 400 for', () => {
  test.each([
    ['513 characters', `q=${'x'.repeat(513)}`],
    ['513 emoji', `q=${encodeURIComponent('😀'.repeat(513))}`],
    ['a high surrogate alone', 'q=%ED%A0%80'],
    ['a low surrogate alone', 'q=a%ED%B0%80b'],
    ['bytes that are not UTF-8', 'q=%FF'],
    ['a cut escape', 'q=%e2%82'],
    ['two searches', 'q=a&q=b'],
    ['an order', 'order=asc'],
    ['a cursor to go back', 'before=alice'],
    ['an unknown parameter', 'user=alice'],
    ['the cursor of nobody', 'after=nobody'],
    ['the cursor of a user who is not found', 'q=a&after=bob'],
    ['an empty cursor', 'after='],
    ['a limit of 101', 'limit=101'],
  ])('%s', async (_name, query) => {
    expectProblem(await callAdmin(running, `GET /users?${query}`), 400, 'invalid_request')
  })
})

test('a revoke says whether the user was ever seen, also once the block holds', async () => {
  expect(await revoke(running, 'alice')).toMatchObject({ known: true })
  for (const cancelled of [[], []]) {
    const answer = await revoke(running, 'never-here', { block_seconds: 60 })
    expect(answer).toMatchObject({ known: false, cancelled })
  }
  await running.mint(tokenFor('never-here'))
  expect(await revoke(running, 'never-here')).toMatchObject({ known: false })
})

test('a revoke of a subject says whether any of its users was ever seen', async () => {
  const of = (subject: string) => askAdmin(running, 'POST /revoke', { issuer: ISSUER, subject })
  expect(await of('alice')).toMatchObject({ user: 'alice', known: true })
  expect(await of('never-here-2')).toMatchObject({ user: 'never-here-2', known: false })
})
