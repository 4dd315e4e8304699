import { beforeEach, expect, test } from 'vitest'
import { forEachTest } from '../support/started.ts'
import { asAt, createThread, startScene } from './scene.ts'

let alice: ReturnType<typeof asAt>
let bob: ReturnType<typeof asAt>
const scene = forEachTest(() => startScene())
beforeEach(async () => {
  alice = asAt(scene.url, await scene.session('alice'))
  bob = asAt(scene.url, await scene.session('bob'))
})

interface ListPage {
  data: { id: string }[]
  has_more: boolean
  after: string | null
}

async function list(params: object): Promise<ListPage> {
  const response = await alice(['threads.list', params])
  expect(response.status).toBe(200)
  return (await response.json()) as ListPage
}

/** Threads of alice among threads of bob: each `a` is one of alice's. */
async function seed(pattern: string): Promise<string[]> {
  const own: string[] = []
  for (const letter of pattern) {
    const { id } = await createThread(letter === 'a' ? alice : bob)
    if (letter === 'a') own.push(id)
  }
  return own
}

test('a list has the caller’s own threads only, in full pages', async () => {
  const own = await seed('abbbabbbbaba')
  const first = await list({ limit: 2, order: 'asc' })
  expect(first).toEqual({
    data: [{ id: own[0] }, { id: own[1] }].map(expectThread),
    has_more: true,
    after: own[1],
  })
  const second = await list({ limit: 2, order: 'asc', after: first.after })
  expect(second.data.map(({ id }) => id)).toEqual(own.slice(2))
  expect(second).toMatchObject({ has_more: false, after: null })
})

test('a list does not say that there is more when the rest belongs to other users', async () => {
  const own = await seed('abbbbb')
  const page = await list({ limit: 1, order: 'asc' })
  expect(page.data.map(({ id }) => id)).toEqual(own)
  expect(page).toMatchObject({ has_more: false, after: null })
})

test('the list of a user without threads is empty, however many others have', async () => {
  await seed('bbbbbbbbbbbbbbbbbbbbbbbbb')
  expect(await list({})).toEqual({ data: [], has_more: false, after: null })
})

test('a list has the newest twenty threads when nothing else is asked for', async () => {
  const own = await seed('b'.repeat(15) + 'a'.repeat(22))
  const page = await list({})
  expect(page.data.map(({ id }) => id)).toEqual(own.toReversed().slice(0, 20))
  expect(page).toMatchObject({ has_more: true, after: own[2] })
})

test('a list with another user’s thread as its cursor is 404', async () => {
  const { id } = await createThread(bob)
  scene.sample.server.clearRequests()
  expect((await alice(['threads.list', { after: id }])).status).toBe(404)
  expect(scene.sample.server.requests()).toEqual([])
})

function expectThread({ id }: { id: string | undefined }) {
  return expect.objectContaining({ id, title: expect.any(String) })
}
