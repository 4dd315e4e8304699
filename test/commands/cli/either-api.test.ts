import { beforeAll, describe, expect, test } from 'vitest'
import { startChatKitApi } from '../../../src/embedded/chatkit-api/api.ts'
import { BILLING, HOSTED, startBackend } from '../../http/backend/scene.ts'
import { adminToken, revoke } from '../../support/admin-calls.ts'
import { fullThread } from '../../support/chatkit/seeds.ts'
import { forAllTests } from '../../support/started.ts'
import { quickCli } from './run-cli.ts'

// One command line, two addresses: the ChatKit API itself, and a service with API keys for backends.

const api = forAllTests(() => startChatKitApi({ port: 0 }))
const scene = forAllTests(() =>
  startBackend({
    limits: `limits:
  mints_per_user: { max: 20, seconds: 60 }
  live_sessions_per_user: { max: 2, when_full: deny }`,
  }),
)

beforeAll(() => {
  for (const upstream of [api.api, scene.running.upstream]) {
    for (const at of [1, 2, 3, 4, 5]) {
      const id = `cthr_${at}`
      upstream.seedThread({ id, user: 'alice', created_at: at, title: `thread ${at}` })
    }
    upstream.seedThread({ ...fullThread('bob'), id: 'cthr_full', created_at: 6 })
  }
})

const atOpenAi = (...words: readonly string[]) =>
  quickCli([...words, '--base-url', api.url, '--api-key', 'sk-test-0123456789'])
const atService = (key: string, ...words: readonly string[]) =>
  quickCli([...words, '--base-url', scene.base, '--api-key', key])

/** Ids and times that the two sides choose. */
const withoutChance = (text: string) =>
  text
    .replace(/\b(?:cksess|cthi|req|ek)_[0-9a-f]{16,}/g, 'ID')
    .replace(/"(created_at|expires_at)": \d{10}/g, '"$1": TIME')

/** Runs the same command at both, and gives the outcome, which must be the same. */
async function both(...words: readonly string[]) {
  const [theirs, ours] = [await atOpenAi(...words), await atService(HOSTED, ...words)]
  const plain = ({ code, out, err }: typeof ours) => ({
    code,
    out: withoutChance(out),
    err: withoutChance(err),
  })
  expect(plain(ours)).toEqual(plain(theirs))
  return { theirs, ours }
}

/** Every option, so that no default of either side can differ. */
const CREATE = [
  ...['sessions', 'create', '--json', '--user', 'carol'],
  ...[
    '--workflow',
    '{id: wf_support, version: "7", state_variables: {plan: pro}, tracing: {enabled: false}}',
  ],
  ...['--expires-after', '{anchor: created_at, seconds: 60}'],
  ...['--rate-limits', '{max_requests_per_1_minute: 4}'],
  '--chatkit-configuration',
  '{automatic_thread_titling: {enabled: false}, file_upload: {enabled: true, max_file_size: 1, max_files: 2}, history: {enabled: true, recent_threads: 5}}',
]

describe('the same command answers the same at OpenAI and at the service', () => {
  test('sessions create and cancel, apart from the secret, which the service does not keep', async () => {
    const { theirs, ours } = await both(...CREATE)
    expect(ours.code).toBe(0)
    const made = JSON.parse(ours.out)
    expect(made.client_secret).toMatch(/^ek_/)
    const cancel = ['sessions', 'cancel', '--json']
    const there = JSON.parse((await atOpenAi(...cancel, JSON.parse(theirs.out).id)).out)
    for (const again of [1, 2]) {
      const { code, out, err } = await atService(HOSTED, ...cancel, made.id)
      expect({ again, code, err }).toEqual({ again, code: 0, err: '' })
      const here = JSON.parse(out)
      expect(here).toEqual({ ...made, status: 'cancelled', client_secret: '' })
      expect(Object.keys(here).toSorted()).toEqual(Object.keys(there).toSorted())
    }
    expect((await atService(HOSTED, 'sessions', 'cancel', made.id)).code).toBe(0)
  })

  test.each([
    ['threads list'],
    ['threads list --json --user alice --limit 2'],
    ['threads list --json --user nobody'],
    ['threads list --json --limit 0'],
    ['threads list --json --order asc --after cthr_2'],
    ['threads list --json --before cthr_2 --limit 2'],
    ['threads list --json --all --limit 2'],
    ['threads list --json --max-items 3 --limit 2'],
    ['threads list --json --all --limit 2 --before cthr_5 --order asc'],
    ['threads retrieve cthr_full'],
    ['threads retrieve --json --thread-id cthr_1'],
    ['threads list-items --thread-id cthr_full --json --order asc'],
    ['threads list-items cthr_full --json --all --limit 2'],
    ['threads delete cthr_5 --json'],
  ])('%s', async (line) => {
    const { ours } = await both(...line.split(' '))
    expect(ours.code).toBe(0)
  })

  test.each([
    ['threads retrieve cthr_none', 1, 'not_found'],
    ['threads delete cthr_none', 1, 'not_found'],
    ['threads list-items cthr_none', 1, 'not_found'],
    ['threads list --after cthr_none', 1, 'invalid_request'],
    ['threads list-items cthr_full --after cthi_none', 1, 'invalid_request'],
    ['sessions cancel cksess_none', 1, 'not_found'],
    ['threads retrieve a/b', 2, 'An id has'],
    ['sessions list', 2, 'has no call that lists sessions'],
  ])('%s fails with %i', async (line, code, message) => {
    const { ours } = await both(...line.split(' '))
    expect(ours).toMatchObject({ code, out: '', err: expect.stringContaining(message) })
  })
})

describe('refusals of the service alone', () => {
  const create = (key: string, user: string, id: string) =>
    atService(key, 'sessions', 'create', '--user', user, '--workflow', `{id: ${id}}`)

  test('an unknown key: 77, and the key is not shown', async () => {
    const refused = await atService('sk-mint-guessed-0123456789', 'threads', 'list')
    expect(refused).toMatchObject({ code: 77, out: '' })
    expect(refused.err).toMatch(/code: upstream_auth_failed\nreason: status 401 .*invalid_api_key/)
    expect(refused.err).not.toContain('guessed')
  })

  test('a workflow of another key: 1, and nothing is created', async () => {
    scene.running.upstream.clearRequests()
    const refused = await create(HOSTED, 'dave', 'helpdesk')
    expect(refused).toMatchObject({ code: 1, err: expect.stringContaining('workflow_unavailable') })
    expect(scene.running.upstream.requests()).toEqual([])
  })

  test('a blocked user: 77, and not that the key is wrong', async () => {
    await revoke(scene.running, 'mallory', { block_seconds: 600 })
    const refused = await create(BILLING, 'mallory', 'helpdesk')
    expect(refused.code).toBe(77)
    expect(refused.err).toContain("the user's access was revoked")
    expect(refused.err).toContain('code: user_blocked')
  })

  test('a full cap, and too many mints: 75', async () => {
    for (const expected of [0, 0, 75]) {
      const { code, err } = await create(BILLING, 'erin', 'helpdesk')
      expect({ code, isCap: err.includes('code: session_limit') }).toEqual({
        code: expected,
        isCap: expected === 75,
      })
    }
  })

  test('a cancel that OpenAI does not confirm: 69; repeated, it is done', async () => {
    const made = await atService(HOSTED, ...CREATE.with(4, 'frank'))
    const { id } = JSON.parse(made.out)
    scene.running.upstream.setFaults({ status: 500, times: 1 })
    expect((await atService(HOSTED, 'sessions', 'cancel', id)).code).toBe(69)
    await expect
      .poll(async () => (await atService(HOSTED, 'sessions', 'cancel', id)).code, {
        timeout: 10_000,
      })
      .toBe(0)
  })
})

test('an admin finds the sessions of a key by its issuer', async () => {
  const made = JSON.parse((await atService(HOSTED, ...CREATE.with(4, 'grace'))).out)
  const env = { CHATKIT_MINT_URL: scene.running.url, CHATKIT_MINT_TOKEN: adminToken() }
  const words = ['sessions', 'list', '--issuer', 'key:hosted', '--user', 'grace', '--json']
  const { data } = JSON.parse((await quickCli(words, env)).out)
  expect(data).toMatchObject([{ id: made.id, subject: 'grace' }])
  const all = JSON.parse(
    (await quickCli(['sessions', 'list', '--issuer', 'key:hosted', '--json'], env)).out,
  )
  expect(all.data.map(({ id }: { id: string }) => id)).toContain(made.id)
})

test('lists of several sources page to their end', async () => {
  const all = await atService(BILLING, 'threads', 'list', '--json', '--all', '--limit', '2')
  const { data } = JSON.parse(all.out) as { data: { id: string }[] }
  expect(data.map(({ id }) => id).toSorted()).toEqual([
    ...['cthr_1', 'cthr_2', 'cthr_3', 'cthr_4'],
    'cthr_full',
  ])
})
