import { beforeAll, beforeEach, expect, test } from 'vitest'
import {
  ADMINS,
  askAdmin,
  callAdmin,
  mintWith,
  type PageSeen,
  type SessionSeen,
  secretOf,
  sessionsOf,
  upstreamStatus,
} from '../../support/admin-calls.ts'
import { stoppedClock } from '../../support/issuer-settings.ts'
import { onSqlite } from '../../support/registry/each-store.ts'
import {
  DEFAULT_CONFIG,
  HIGH_LIMITS,
  ISSUER,
  startService,
  tokenFor,
} from '../../support/running-service.ts'
import { forAllTests } from '../../support/started.ts'

const CONFIG = `${DEFAULT_CONFIG.replace('user: claims.sub', `user: 'issuer + "/" + claims.sub'`)
  .replace(HIGH_LIMITS, '')
  .replace('cors:', '  second:\n    id: wf_second\n    expires_after: { seconds: 60 }\ncors:')}
${ADMINS}
limits: { live_sessions_per_user: { max: 1000 }, mints_per_user: { max: 1000 } }
`

type Page = PageSeen<SessionSeen & { workflow: string; issuer: string; subject: string }>
const userOf = (sub: string) => `${ISSUER}/${sub}`

const clock = stoppedClock(Date.now())
let ids: readonly string[]

const env = onSqlite()
const running = forAllTests(() => startService({ config: CONFIG, env, now: clock.now }))
beforeAll(async () => {
  // Oldest first: 0 to 4 for alice, of which 3 and 4 are of the short workflow; 5 and 6 for bob.
  for (const [sub, workflow] of [
    ['alice', 'support'],
    ['alice', 'support'],
    ['alice', 'support'],
    ['alice', 'second'],
    ['alice', 'second'],
    ['bob', 'support'],
    ['bob', 'support'],
  ] as const) {
    const response = await mintWith(running, tokenFor(sub), { workflow })
    expect(response.status).toBe(200)
  }
  ids = running.upstream.sessions().map(({ id }) => id)
})
beforeEach(() => running.upstream.clearRequests())

const list = (query = '') => askAdmin<Page>(running, `GET /sessions${query}`)
const listed = async (query = '') => (await list(query)).data.map(({ id }) => ids.indexOf(id))
const filtered = (name: string, value: string) => `?${name}=${encodeURIComponent(value)}`

test('a session shows its nine members, and no client secret', async () => {
  const answer = await callAdmin(running, `GET /sessions/${ids[3]}`)
  const createdAt = Math.floor(clock.now() / 1000)
  expect(answer.json()).toEqual({
    id: ids[3],
    object: 'chatkit_mint.session',
    user: userOf('alice'),
    workflow: 'second',
    status: 'active',
    created_at: createdAt,
    expires_at: createdAt + 60,
    issuer: ISSUER,
    subject: 'alice',
  })
  const [first] = (await list(`?before=${ids[2]}&limit=1`)).data
  expect(first).toEqual(answer.json())
})

test('the list is newest first, and whole by default', async () => {
  const page = await list()
  expect(page).toMatchObject({ object: 'list', first_id: ids[6], last_id: ids[0], has_more: false })
  expect(await listed()).toEqual([6, 5, 4, 3, 2, 1, 0])
})

test.each([
  ['?order=asc', [0, 1, 2, 3, 4, 5, 6]],
  ['?order=asc&limit=2', [0, 1]],
  ['?limit=3', [6, 5, 4]],
  [filtered('user', userOf('bob')), [6, 5]],
  ['?subject=alice', [4, 3, 2, 1, 0]],
  [filtered('issuer', ISSUER), [6, 5, 4, 3, 2, 1, 0]],
  ['?workflow=second', [4, 3]],
  ['?workflow=second&subject=bob', []],
  ['?workflow=support&subject=alice&limit=2', [2, 1]],
  ['?status=active&limit=100', [6, 5, 4, 3, 2, 1, 0]],
  ['?status=cancelled', []],
  ['?status=expired', []],
  ['?user=nobody', []],
  ['?user=%25', []],
  ["?user=x'%20OR%201=1--", []],
])('GET /sessions%s lists the sessions that fit', async (query, expected) => {
  expect(await listed(query)).toEqual(expected)
})

test.each(['', '&order=asc', '&subject=alice'])(
  'cursors reach every session once (%j)',
  async (query) => {
    const whole = await listed(`?limit=100${query}`)
    const walked: number[] = []
    let cursor = ''
    for (let more = true; more; ) {
      const page = await list(`?limit=2${query}${cursor}`)
      expect(page.first_id).toBe(page.data[0]?.id)
      expect(page.last_id).toBe(page.data.at(-1)?.id)
      walked.push(...page.data.map(({ id }) => ids.indexOf(id)))
      more = page.has_more
      cursor = `&after=${page.last_id}`
    }
    expect(walked).toEqual(whole)
    const last = whole.map((at) => ids[at]).at(-1)
    const back = await list(`?limit=2${query}&before=${last}`)
    expect(back.data.map(({ id }) => ids.indexOf(id))).toEqual(whole.slice(-3, -1))
  },
)

test('limit 0 is an empty page that says whether there is more', async () => {
  expect(await list('?limit=0')).toEqual({
    object: 'list',
    data: [],
    first_id: null,
    last_id: null,
    has_more: true,
  })
  expect(await list('?limit=0&subject=nobody')).toMatchObject({ has_more: false })
})

test('a cancel ends the session upstream, and a second one changes nothing', async () => {
  const secret = await secretOf(running, 'carol')
  const [session] = await sessionsOf(running, userOf('carol'))
  running.upstream.clearRequests()
  const answer = await callAdmin(running, `POST /sessions/${session?.id}/cancel`)
  expect(answer.status).toBe(200)
  expect(answer.json()).toEqual({ ...session, status: 'cancelled' })
  expect(answer.body).not.toContain(secret)
  expect(upstreamStatus(running, secret)).toBe('cancelled')
  expect(running.upstream.requests()).toHaveLength(1)
  const again = await callAdmin(running, `POST /sessions/${session?.id}/cancel`, { body: {} })
  expect([again.status, again.json()['status']]).toEqual([200, 'cancelled'])
  expect(running.upstream.requests()).toHaveLength(1)
  expect((await list('?status=cancelled')).data.map(({ id }) => id)).toEqual([session?.id])
  // Cancelled without a block: the widget may ask for a new one.
  expect((await running.mint(tokenFor('carol'))).status).toBe(200)
})

test('a session that the upstream no longer knows counts as cancelled', async () => {
  await secretOf(running, 'dora')
  const [session] = await sessionsOf(running, userOf('dora'))
  running.upstream.setFaults({ status: 404, times: 1 })
  const answer = await callAdmin(running, `POST /sessions/${session?.id}/cancel`)
  expect([answer.status, answer.json()['status']]).toEqual([200, 'cancelled'])
})

test('an active session becomes expired, and its cancel asks nothing upstream', async () => {
  clock.advance(61)
  const claims = { iat: Math.floor(clock.now() / 1000) }
  expect(await listed('?status=expired')).toEqual([4, 3])
  expect(await listed('?status=active&subject=alice')).toEqual([2, 1, 0])
  const one = await callAdmin(running, `GET /sessions/${ids[3]}`)
  expect(one.json()).toMatchObject({ status: 'expired', workflow: 'second' })
  const cancel = await callAdmin(running, `POST /sessions/${ids[3]}/cancel`)
  expect([cancel.status, cancel.json()['status']]).toEqual([200, 'expired'])
  expect(running.upstream.requests()).toEqual([])
  expect((await running.mint(tokenFor('alice', claims))).status).toBe(200)
})
