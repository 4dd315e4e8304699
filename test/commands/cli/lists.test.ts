import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { startChatKitApi } from '../../../src/embedded/chatkit-api/api.ts'
import {
  ADA,
  ADMIN_CONFIG,
  adminToken,
  callAdmin,
  type PageSeen,
  sessionsOf,
} from '../../support/admin-calls.ts'
import { startService, tokenFor } from '../../support/running-service.ts'
import { forAllTests } from '../../support/started.ts'
import { cliJson, quickCli } from './run-cli.ts'

// Lists to their end, ids without a flag, and the audit: at the ChatKit API itself and through a service.

const THREADS = 230
const api = forAllTests(() => startChatKitApi({ port: 0 }))
const running = forAllTests(() => startService({ config: ADMIN_CONFIG }))
let hosted: Record<string, string>
let service: Record<string, string>
let oldestFirst: string[]
beforeAll(() => {
  hosted = { OPENAI_BASE_URL: api.url, OPENAI_API_KEY: 'sk-lists' }
  service = { CHATKIT_MINT_URL: running.url, CHATKIT_MINT_TOKEN: adminToken() }
  const seeds = Array.from({ length: THREADS }, (_, n) => ({ user: 'lister', created_at: n + 1 }))
  oldestFirst = seeds.map((seed) => api.api.seedThread(seed).id)
  for (const seed of seeds) running.upstream.seedThread(seed)
})
beforeEach(() => api.api.clearRequests())

type Page = PageSeen<{ readonly id: string }>

const read = <T = Page>(line: string, env: Record<string, string>) =>
  cliJson<T>(line.split(' '), env)

function ids({ data }: Page): string[] {
  return data.map(({ id }) => id)
}

const LIST = 'threads list --user lister'

describe('--all', () => {
  test('reads every page, and gives them as one', async () => {
    const page = await read(`${LIST} --all`, hosted)
    expect(page).toEqual({
      object: 'list',
      data: expect.any(Array),
      first_id: oldestFirst.at(-1),
      last_id: oldestFirst.at(0),
      has_more: false,
    })
    expect(ids(page)).toEqual(oldestFirst.toReversed())
    expect(api.api.requests()).toHaveLength(3)
  })

  test('ends with 1 when a page says that there is more and has no entry to go on from', async () => {
    const page = { object: 'list', data: [], first_id: null, last_id: null, has_more: true }
    api.api.setFaults({ status: 200, body: JSON.stringify(page), times: 1 })
    const { code, out, err } = await quickCli([...LIST.split(' '), '--all'], hosted)
    expect({ code, out }).toEqual({ code: 1, out: '' })
    expect(err).toContain('the list does not go on')
  })

  test('keeps to the order, and to --limit as the size of a page', async () => {
    expect(ids(await read(`${LIST} --all --order asc --limit 50`, hosted))).toEqual(oldestFirst)
    expect(api.api.requests()).toHaveLength(5)
  })

  test('begins after --after, and ends before --before', async () => {
    const between = `${LIST} --all --order asc --after ${oldestFirst[9]} --before ${oldestFirst[200]}`
    expect(ids(await read(between, hosted))).toEqual(oldestFirst.slice(10, 200))
  })

  test('with --before alone reads back to the beginning, in the order of the list', async () => {
    const back = `${LIST} --all --order asc --limit 60 --before ${oldestFirst[150]}`
    const page = await read(back, hosted)
    expect(ids(page)).toEqual(oldestFirst.slice(0, 150))
    expect(page).toMatchObject({ first_id: oldestFirst[0], last_id: oldestFirst[149] })
  })

  test('reads items, and lists of a service', async () => {
    const items = Array.from({ length: 120 }, (_, n) => ({
      type: 'chatkit.widget' as const,
      widget: `{"n":${n}}`,
    }))
    const { id } = api.api.seedThread({ user: 'x', items })
    expect((await read(`threads list-items ${id} --all`, hosted)).data).toHaveLength(120)
    expect((await read(`${LIST} --all`, service)).data).toHaveLength(THREADS)
  })

  test('as a table does not mention more entries', async () => {
    const { code, out, err } = await quickCli([...LIST.split(' '), '--all'], hosted)
    expect({ code, err }).toEqual({ code: 0, err: '' })
    expect(out.split('\n').filter((line) => line.includes('cthr_'))).toHaveLength(THREADS)
  })

  test('ends where a page gives no cursor', async () => {
    expect(await read(`${LIST} --all --limit 0`, hosted)).toMatchObject({ data: [] })
    expect(api.api.requests()).toHaveLength(1)
  })

  test('is an error when the list does not advance, so that a broken server cannot keep it running', async () => {
    const ends = { first_id: 'cthr_1', last_id: 'cthr_1', has_more: true }
    api.api.setFaults({ body: { object: 'list', data: [], ...ends }, times: 10 })
    const { code, out, err } = await quickCli([...LIST.split(' '), '--all'], hosted)
    api.api.setFaults({})
    expect({ code, out }).toEqual({ code: 1, out: '' })
    expect(err).toContain('does not go on')
    expect(api.api.requests()).toHaveLength(2)
  })
})

describe('--max-items', () => {
  test.each([
    [1, 1],
    [100, 1],
    [101, 2],
    [229, 3],
  ])('%i gives that many, in %i calls, and says that there are more', async (count, calls) => {
    const page = await read(`${LIST} --max-items ${count}`, hosted)
    expect(ids(page)).toEqual(oldestFirst.toReversed().slice(0, count))
    expect(page.has_more).toBe(true)
    expect(api.api.requests()).toHaveLength(calls)
  })

  test('larger than the list gives the whole list', async () => {
    const page = await read(`${LIST} --max-items 500 --limit 100`, hosted)
    expect(page.data).toHaveLength(THREADS)
    expect(page.has_more).toBe(false)
  })

  test('as a table says how to get the next page', async () => {
    const line = `${LIST} --max-items 150`
    const { err } = await quickCli(line.split(' '), hosted)
    expect(err).toBe(`there are more: --after ${oldestFirst.toReversed()[149]}\n`)
  })

  test.each(['0', '-1', 'all', '1.5'])('%s is refused, and nothing is sent', async (count) => {
    const { code, out } = await quickCli([...LIST.split(' '), '--max-items', count], hosted)
    expect({ code, out }).toEqual({ code: 2, out: '' })
    expect(api.api.requests()).toEqual([])
  })

  test('and --all exclude each other', async () => {
    const { code, err } = await quickCli([...LIST.split(' '), '--max-items', '3', '--all'], hosted)
    expect(code).toBe(2)
    expect(err).toContain("'--all'")
  })
})

describe('an id without a flag', () => {
  test('of a session serves retrieve and cancel', async () => {
    await running.mint(tokenFor('one'))
    const [session] = await sessionsOf(running, 'one')
    const id = session?.id ?? ''
    expect(await read(`sessions retrieve ${id}`, service)).toEqual(session)
    expect(await read(`sessions retrieve --session-id ${id}`, service)).toEqual(session)
    expect(await read(`sessions cancel ${id}`, service)).toMatchObject({ id, status: 'cancelled' })
    const shown = await quickCli(['sessions', 'retrieve', id], service)
    expect(shown.out).toMatch(/^status +cancelled$/m)
  })

  test('of a session serves cancel at the API itself, which has no retrieve', async () => {
    const line = ['sessions', 'create', '--user', 'x', '--workflow', '{id: wf_1}', '--json']
    const { id } = JSON.parse((await quickCli(line, hosted)).out)
    expect(await read(`sessions cancel ${id}`, hosted)).toMatchObject({ id, status: 'cancelled' })
    const { code, err } = await quickCli(['sessions', 'retrieve', id], hosted)
    expect(code).toBe(2)
    expect(err).toMatch(/API has no call that shows a session.*--url/s)
  })

  test('of a thread serves retrieve, list-items and delete', async () => {
    const thread = api.api.seedThread({ user: 'x' })
    expect(await read(`threads retrieve ${thread.id}`, hosted)).toEqual(thread)
    expect(await read(`threads list-items ${thread.id}`, hosted)).toMatchObject({ data: [] })
    const deleted = await read<object>(`--json threads delete ${thread.id}`, hosted)
    expect(deleted).toMatchObject({ deleted: true })
  })

  test.each([
    [['sessions', 'cancel'], /no id is named.*--session-id/],
    [['sessions', 'cancel', 'cksess_1', '--session-id', 'cksess_2'], /two ids/],
    [['sessions', 'cancel', 'cksess_1', 'cksess_2'], /too many arguments/],
  ])('%j is refused, and nothing is sent', async (words, message) => {
    const { code, out, err } = await quickCli(words, hosted)
    expect({ code, out }).toEqual({ code: 2, out: '' })
    expect(err).toMatch(message)
    expect(api.api.requests()).toEqual([])
  })

  test('of a session that does not exist ends with 1 and not_found', async () => {
    const { code, out, err } = await quickCli(['sessions', 'retrieve', 'cksess_none'], service)
    expect({ code, out }).toEqual({ code: 1, out: '' })
    expect(err).toContain('code: not_found')
  })
})

describe('audit', () => {
  interface Entry {
    readonly id: string
    readonly action: string
    readonly user: string | null
  }

  test('list, and audit alone, gives entries newest first, filtered, to the end', async () => {
    for (let n = 0; n < 3; n++) await callAdmin(running, 'POST /users/audited/revoke')
    const line = 'list --user audited --action revoke'
    const listed = await read<PageSeen<Entry>>(`audit ${line}`, service)
    expect(listed.data).toHaveLength(3)
    expect(listed.data[0]).toMatchObject({ actor: ADA, action: 'revoke', user: 'audited' })
    const alone = 'audit --user audited --action revoke'
    expect(await read(alone, service)).toEqual(listed)
    expect(await read(`${alone} --all --limit 1`, service)).toEqual(listed)
    const two = await read<PageSeen<Entry>>(`--max-items 2 ${alone}`, service)
    expect(two.data).toEqual(listed.data.slice(0, 2))
    const rest = await read<PageSeen<Entry>>(`${alone} --after ${two.last_id}`, service)
    expect(rest.data).toEqual(listed.data.slice(2))
    const table = await quickCli(alone.split(' '), service)
    expect(table.out).toMatch(
      new RegExp(`│ ${listed.data[0]?.id} +│ 2\\S+Z │ ${RegExp.escape(ADA)} `),
    )
  })

  test.each([
    ['audit --actor nobody', 'entries'],
    ['sessions list --user nobody', 'sessions'],
    ['threads list --user nobody', 'threads'],
    ['blocks list', 'blocks'],
  ])('%s says that there are no %s', async (line, what) => {
    const { out } = await quickCli(line.split(' '), service)
    expect(out).toBe(`There are no ${what} here.\n`)
  })

  test('without a service ends with 78 and a message, and with an unknown option with 2', async () => {
    const none = await quickCli(['audit'], hosted)
    expect(none).toMatchObject({ code: 78, err: expect.stringContaining('CHATKIT_MINT_URL') })
    for (const words of [
      ['audit', 'lsit'],
      ['audit', '--order', 'asc'],
      ['audit', '--limit', 'x'],
    ]) {
      expect(await quickCli(words, service)).toMatchObject({ code: 2, out: '' })
    }
  })
})
