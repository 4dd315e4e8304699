import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { adminToken } from '../support/admin-calls.ts'
import { startThreadScene, type WorkflowName } from '../support/chatkit/thread-scene.ts'
import type { RawAnswer } from '../support/raw-http.ts'
import { forAllTests } from '../support/started.ts'

// Random users, threads of three keys (two of them of one project) and two servers, random calls, cursors taken from
// anyone's answers. Over HTTP every caller sees and deletes only their own threads, and a merged list read page by
// page has each of them once. The ChatKit API may list everyone's threads.

interface Row {
  readonly id: string
  readonly user: string
  readonly workflow: WorkflowName
  readonly at: number
  gone: boolean
}
interface Page {
  readonly data: readonly {
    readonly id: string
    readonly user: string
    readonly created_at: number
  }[]
  readonly first_id: string | null
  readonly last_id: string | null
  readonly has_more: boolean
}

const PLACES: readonly WorkflowName[] = ['support', 'sales', 'twin', 'desk', 'shop']
const runs = 30

let run = 0
const scene = forAllTests(() => startThreadScene())

const seeds = fc.array(
  fc.record({
    user: fc.integer({ min: 0, max: 2 }),
    workflow: fc.constantFrom(...PLACES),
    // Few seconds, so that many are equal.
    at: fc.integer({ min: 0, max: 6 }),
  }),
  { minLength: 1, maxLength: 18 },
)

const pick = fc.nat({ max: 10_000 })
const maybe = fc.option(pick, { freq: 2, nil: undefined })
const parameters = fc.record({
  limit: fc.constantFrom(undefined, 0, 1, 1, 2, 3, 5),
  order: fc.constantFrom(undefined, undefined, 'asc', 'desc'),
  workflow: fc.constantFrom(...Array.from({ length: 10 }, () => undefined), ...PLACES),
  after: maybe,
  before: fc.oneof({ weight: 2, arbitrary: fc.constant(undefined) }, maybe),
})
const calls = fc.array(
  fc
    .oneof(
      { weight: 4, arbitrary: fc.record({ kind: fc.constant('list'), parameters }) },
      {
        weight: 2,
        arbitrary: fc.record({ kind: fc.constantFrom('read', 'items', 'delete'), at: pick }),
      },
    )
    .chain((what) => fc.record({ what: fc.constant(what), by: fc.integer({ min: 0, max: 2 }) })),
  { minLength: 8, maxLength: 30 },
)

async function plant(planned: readonly { user: number; workflow: WorkflowName; at: number }[]) {
  run += 1
  const base = 1_700_000_000
  const rows: Row[] = []
  // The records of a server's threads are in the order of their making.
  for (const { user, workflow, at } of planned.toSorted((one, other) => one.at - other.at)) {
    const row = { user: `user${user} of ${run}`, workflow, at: base + at }
    rows.push({ ...row, id: await scene.seed(workflow, row), gone: false })
  }
  return rows
}

/** Nothing in an answer, and in what its cursors hold, is of a thread of someone else. */
function expectNothingForeign(answer: RawAnswer, user: string, rows: readonly Row[]): void {
  const cursors = answer.body.match(/"[\w-]{44,}"/g) ?? []
  const inside = cursors.map((one) => Buffer.from(one.slice(1, -1), 'base64url').toString('latin1'))
  const shown = [answer.body, ...inside].join('\n')
  const foreign = rows.filter((row) => row.user !== user && shown.includes(row.id))
  expect(foreign).toEqual([])
}

async function list(user: string, query: Readonly<Record<string, string>>): Promise<RawAnswer> {
  return scene.call(`GET /v1/threads?${new URLSearchParams(query)}`, { user })
}

function pageOf(answer: RawAnswer): Page {
  return JSON.parse(answer.body)
}

/** A cursor, and whose; nobody's when it is of no thread. */
interface Cursor {
  readonly text: string
  readonly user: string | undefined
}

interface Known {
  readonly rows: Row[]
  /** Made up, ids of threads, and from anyone's answers. */
  readonly cursors: Cursor[]
}

type Step = (typeof calls extends fc.Arbitrary<infer T> ? T : never)[number]
type Parameters = typeof parameters extends fc.Arbitrary<infer T> ? T : never

async function tryList(user: string, asked: Parameters, known: Known): Promise<void> {
  const { rows, cursors } = known
  const { after, before, ...rest } = asked
  // Half of them are fresh ones, such as pages give out.
  const cursor = (at: number | undefined) => {
    if (at === undefined) return undefined
    const fresh = Math.min(6, cursors.length)
    return at % 2 === 0 ? cursors[at % cursors.length] : cursors.at(-1 - (at % fresh))
  }
  const used = { after: cursor(after), before: cursor(before) }
  const query = { ...rest, after: used.after?.text, before: used.before?.text }
  const given = Object.entries(query).filter(([, value]) => value !== undefined)
  const text = given.map(([name, value]) => [name, String(value)] as const)
  const answer = await list(user, Object.fromEntries(text))
  expectNothingForeign(answer, user, rows)
  const foreign = Object.values(used).some((one) => one !== undefined && one.user !== user)
  const expected = foreign ? [400] : [200, 400]
  expect({ query, expected }).toEqual({ query, expected: expect.arrayContaining([answer.status]) })
  if (answer.status === 400) return
  const page = pageOf(answer)
  const own = rows.filter((row) => row.user === user && !row.gone).map(({ id }) => id)
  expect(own).toEqual(expect.arrayContaining(page.data.map(({ id }) => id)))
  const found = [page.first_id, page.last_id].filter((id) => id !== null)
  cursors.push(...found.map((one) => ({ text: one, user })))
}

async function carryOut({ what, by }: Step, known: Known): Promise<void> {
  const { rows } = known
  const user = `user${by} of ${run}`
  if ('parameters' in what) {
    await tryList(user, what.parameters, known)
    return
  }
  const row = rows[what.at % rows.length]
  if (row === undefined) return
  const path = `/v1/threads/${row.id}${what.kind === 'items' ? '/items' : ''}`
  const answer = await scene.call(`${what.kind === 'delete' ? 'DELETE' : 'GET'} ${path}`, { user })
  const isOwn = row.user === user && !row.gone
  expect({ ...what, status: answer.status }).toEqual({ ...what, status: isOwn ? 200 : 404 })
  expectNothingForeign(answer, user, rows)
  if (isOwn && what.kind === 'delete') row.gone = true
}

/** As an admin sees it. */
async function remaining(rows: readonly Row[]): Promise<readonly string[]> {
  const token = adminToken()
  const there = await Promise.all(
    rows.map(async ({ id }) => (await scene.call(`GET /v1/admin/threads/${id}`, { token })).status),
  )
  return rows.filter((_, number) => there[number] === 200).map(({ id }) => id)
}

const patience = 60_000 + runs * 3000

describe('whatever is called, by whom', () => {
  test('nobody reads or deletes a foreign thread', { timeout: patience }, async () => {
    await fc.assert(
      fc.asyncProperty(seeds, calls, fc.boolean(), async (planned, steps, careless) => {
        const rows = await plant(planned)
        scene.careless = careless
        const ids = rows.map((row) => ({ text: row.id, user: row.user }))
        const known: Known = { rows, cursors: [{ text: 'cthr_none', user: undefined }, ...ids] }
        for (const step of steps) await carryOut(step, known)
        scene.careless = false
        const expected = rows.filter(({ gone }) => !gone).map(({ id }) => id)
        expect(await remaining(rows)).toEqual(expected)
      }),
      { numRuns: runs },
    )
  })
})

async function walk(user: string, start: Readonly<Record<string, string>>) {
  const found: Page['data'][number][] = []
  let query = start
  for (let pages = 0; pages < 100; pages++) {
    const answer = await list(user, query)
    expect(answer.status).toBe(200)
    const page = pageOf(answer)
    // More was promised, so there is more.
    if (pages > 0) expect(page.data).not.toEqual([])
    found.push(...page.data)
    if (!page.has_more || page.last_id === null) return found
    expect(page.data).toHaveLength(Number(query['limit']))
    query = { ...start, after: page.last_id }
  }
  throw new Error('pages without end')
}

describe('a merged list', () => {
  test('has each own thread once, in order, at any page size', { timeout: patience }, async () => {
    await fc.assert(
      fc.asyncProperty(
        seeds,
        fc.integer({ min: 1, max: 7 }),
        fc.constantFrom('asc' as const, 'desc' as const),
        async (planned, size, order) => {
          const rows = await plant(planned)
          for (const number of [0, 1, 2]) {
            const user = `user${number} of ${run}`
            const own = rows.filter((row) => row.user === user)
            const start = { order, limit: String(size) }
            const forwards = await walk(user, start)
            const ids = forwards.map(({ id }) => id)
            expect(ids.toSorted()).toEqual(own.map(({ id }) => id).toSorted())
            const times = forwards.map((thread) => thread.created_at)
            const sign = order === 'desc' ? -1 : 1
            expect(times).toEqual(times.toSorted((one, other) => sign * (one - other)))
            const mirror = await walk(user, { ...start, order: order === 'asc' ? 'desc' : 'asc' })
            expect(mirror.map(({ id }) => id)).toEqual(ids.toReversed())
          }
        },
      ),
      { numRuns: runs },
    )
  })
})
