import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { runCli } from '../../../src/commands/cli/program.ts'
import {
  ADMIN_CONFIG,
  adminToken,
  auditOf,
  secretOf,
  sessionsOf,
  upstreamStatus,
} from '../../support/admin-calls.ts'
import { FULL_ITEMS, fullThread } from '../../support/chatkit/seeds.ts'
import { startService, tokenFor } from '../../support/running-service.ts'
import { scratchFolder } from '../../support/scratch-folder.ts'
import { forAllTests } from '../../support/started.ts'
import { cliJson, quickCli, cli as spawnedCli, terminal } from './run-cli.ts'

// The command line against a running service, as an admin.

const token = adminToken()
const folder = scratchFolder()

let env: Record<string, string>
const running = forAllTests(() => startService({ config: ADMIN_CONFIG }))
beforeAll(async () => {
  env = { CHATKIT_MINT_URL: running.url, CHATKIT_MINT_TOKEN: token }
})

interface Ids {
  readonly data: readonly { readonly id: string }[]
}

describe('sessions', () => {
  test('create mints for the user of the token', async () => {
    const answer = await cliJson(['sessions', 'create', '--workflow', 'support'], env)
    expect(answer).toEqual({ client_secret: expect.stringMatching(/^ek_/) })
    expect((await sessionsOf(running, 'ada')).length).toBe(1)
  })

  test('create: options that the service decides are refused', async () => {
    for (const flags of [
      ['--user', 'mallory'],
      ['--expires-after', '{anchor: created_at, seconds: 600}'],
      ['--rate-limits', '{max_requests_per_1_minute: 100}'],
      ['--chatkit-configuration', '{history: {enabled: true}}'],
      ['--chatkit-configuration', '{history: {enabled: true}}', '--input', '{}'],
      ['--workflow', '{id: wf_other}'],
    ]) {
      running.upstream.clearRequests()
      const { code, out, err } = await quickCli(['sessions', 'create', ...flags], env)
      expect({ code, out }).toEqual({ code: 2, out: '' })
      expect(err).toContain(flags[0])
      expect(running.upstream.requests()).toEqual([])
    }
  })

  test('list shows the sessions of a user, and cancel ends one', async () => {
    const secret = await secretOf(running, 'lists')
    const words = ['sessions', 'list', '--user', 'lists', '--status', 'active']
    const page = await cliJson<Ids>(words, env)
    expect(page.data).toEqual(await sessionsOf(running, 'lists'))
    const table = await quickCli(words, env)
    const id = page.data[0]?.id ?? ''
    expect(table.out).toMatch(new RegExp(`│ ${id} +│ lists +│ support +│ active`))
    const cancelled = await cliJson(['sessions', 'cancel', '--session-id', id], env)
    expect(cancelled).toMatchObject({ id, status: 'cancelled' })
    expect(cancelled).not.toHaveProperty('client_secret')
    expect(upstreamStatus(running, secret)).toBe('cancelled')
  })
})

describe('threads', () => {
  test('list, retrieve, list-items and delete give what the API has', async () => {
    const thread = running.upstream.seedThread(fullThread('threads'))
    const one = ['--thread-id', thread.id]
    const list = ['threads', 'list', '--user', 'threads', '--workflow', 'support', '--limit', '5']
    expect(await cliJson(list, env)).toMatchObject({ data: [thread], has_more: false })
    expect(await cliJson(['threads', 'retrieve', ...one], env)).toEqual(thread)
    const items = await cliJson(['threads', 'list-items', ...one, '--order', 'asc'], env)
    expect(items).toMatchObject({ data: FULL_ITEMS, has_more: false })
    expect(await cliJson(['threads', 'delete', ...one], env)).toMatchObject({ deleted: true })
    const gone = await quickCli(['threads', 'retrieve', ...one], env)
    expect(gone).toMatchObject({ code: 1, out: '' })
    expect(gone.err).toMatch(
      /nothing here\. Check the id\. .*`admins`.*\ncode: not_found\nrequest_id: req_\S+\n$/,
    )
  })
})

describe('users', () => {
  test('revoke with a block stops a user whose name needs escapes, and unblock lets them mint again', async () => {
    const user = 'a/ü b?#%'
    await running.mint(tokenFor(user))
    const words = ['users', 'revoke', user, '--block-seconds', '60', '--reason', 'lost phone']
    const revoked = await cliJson(words, env)
    expect(revoked).toMatchObject({
      user,
      cancelled: [expect.any(String)],
      cancelling: [],
      blocked_until: expect.any(Number),
    })
    expect((await running.mint(tokenFor(user))).status).toBe(403)
    const entries = await auditOf(running, `&user=${encodeURIComponent(user)}&action=revoke`)
    expect(entries).toMatchObject([{ action: 'revoke', reason: 'lost phone' }])
    expect(await quickCli(['users', 'unblock', user], env)).toMatchObject({
      code: 0,
      out: '',
      err: `done: ${user} is not blocked.\n`,
    })
    expect((await running.mint(tokenFor(user))).status).toBe(200)
  })

  test('export writes NDJSON up to its summary, to a file of the owner alone', async () => {
    running.upstream.seedThread(fullThread('exported'))
    await running.mint(tokenFor('exported'))
    const piped = await spawnedCli(['users', 'export', 'exported'], { env })
    expect(piped).toMatchObject({ code: 0, err: '' })
    const types = linesOf(piped.out).map(({ type }) => type)
    expect(types.filter((type) => type === 'item')).toHaveLength(FULL_ITEMS.length)
    expect(types).toEqual(expect.arrayContaining(['session', 'thread']))
    expect(linesOf(piped.out).at(-1)).toMatchObject({ type: 'summary', complete: true })

    const file = join(folder, 'export.ndjson')
    const words = ['users', 'export', 'exported', '--output', file]
    const { code, out, err } = await quickCli(words, env)
    expect({ code, out }).toEqual({ code: 0, out: '' })
    expect(err).toContain(
      `written to ${file}: sessions: 1, threads: 1, items: ${FULL_ITEMS.length}, `,
    )
    expect(linesOf(readFileSync(file, 'utf8')).at(-1)).toMatchObject({ complete: true })
    expect(statSync(file).mode & 0o777).toBe(0o600)
    expect(() => statSync(`${file}.partial`)).toThrow('ENOENT')
  })

  test('erase with --yes shows progress and summary, and leaves nothing', async () => {
    const { id } = running.upstream.seedThread(fullThread('erased'))
    await running.mint(tokenFor('erased'))
    const { code, out } = await quickCli(['users', 'erase', 'erased', '--yes', '--json'], env)
    expect(code).toBe(0)
    expect(linesOf(out).at(-1)).toMatchObject({ complete: true, threads_deleted: 1 })
    expect(await quickCli(['threads', 'retrieve', '--thread-id', id], env)).toMatchObject({
      code: 1,
    })
    const again = await quickCli(['users', 'erase', 'erased', '--yes'], env)
    expect(again).toMatchObject({ code: 0, err: '' })
    expect(again.out).toMatch(/^complete +true$/m)
  })

  test('erase without a terminal and without --yes is refused, and nothing is sent', async () => {
    const { id } = running.upstream.seedThread({ user: 'stays' })
    const refused = await quickCli(['users', 'erase', 'stays'], env, { input: 'stays\n' })
    expect(refused).toMatchObject({ code: 2, out: '' })
    expect(refused.err).toContain('--yes')
    expect(await quickCli(['threads', 'retrieve', '--thread-id', id], env)).toMatchObject({
      code: 0,
    })
  })

  test('erase on a terminal asks for the user, and accepts nothing else', async () => {
    running.upstream.seedThread({ user: 'asked' })
    const wrong = terminal(env)
    wrong.stdin.write('yes\n')
    expect(await runCli(['users', 'erase', 'asked'], wrong.io)).toBe(1)
    expect(wrong.said.err).toContain('Nothing was erased')
    const closed = terminal(env)
    closed.stdin.end()
    expect(await runCli(['users', 'erase', 'asked'], closed.io)).toBe(1)
    const controlD = terminal(env)
    controlD.stdin.write('\u0004')
    expect(await runCli(['users', 'erase', 'asked'], controlD.io)).toBe(1)
    expect(controlD.said.err).toMatch(/chatkit-mint: not the same. Nothing was erased.\n$/)
    const controlC = terminal(env)
    controlC.stdin.write('\u0003')
    expect(await runCli(['users', 'erase', 'asked'], controlC.io)).toBe(130)
    expect(controlC.said.err).toMatch(/chatkit-mint: interrupted\n$/)
    const list = ['threads', 'list', '--user', 'asked']
    expect((await cliJson<Ids>(list, env)).data).toHaveLength(1)

    const right = terminal(env)
    right.stdin.write('asked\n')
    expect(await runCli(['users', 'erase', 'asked'], right.io)).toBe(0)
    expect(right.said.err).toContain('Type the user to go ahead')
    expect((await cliJson<Ids>(list, env)).data).toHaveLength(0)
  })
})

describe('the token', () => {
  const url = () => ({ CHATKIT_MINT_URL: running.url })

  test('comes from a file, from the variable that names one, or from standard input', async () => {
    const file = join(folder, 'token')
    writeFileSync(file, `${token}\n`)
    const list = ['sessions', 'list', '--user', 'nobody']
    const ways = [
      spawnedCli([...list, '--token-file', file], { env: url() }),
      spawnedCli(list, { env: { ...url(), CHATKIT_MINT_TOKEN_FILE: file } }),
      spawnedCli([...list, '--token-file', '-'], { env: url(), input: `${token}\n` }),
    ]
    for (const ended of await Promise.all(ways)) expect(ended).toMatchObject({ code: 0, err: '' })
  })

  test.each([
    ['a user, no admin', tokenFor('alice'), 'admin_required'],
    ['expired', adminToken({ exp: 1_700_000_000 }), 'token_expired'],
    ['of someone else', `${token.slice(0, -4)}AAAA`, 'invalid_token'],
  ])(
    '(%s) that is refused ends with 77, code and request id, and is not shown',
    async (_name, wrong, code) => {
      const environment = { ...url(), CHATKIT_MINT_TOKEN: wrong }
      const ended = await quickCli(['users', 'revoke', 'bob'], environment)
      expect(ended).toMatchObject({ code: 77, out: '' })
      expect(ended.err).toMatch(
        new RegExp(`CHATKIT_MINT_TOKEN.*\ncode: ${code}\nrequest_id: \\S+\n$`),
      )
      expect(ended.err).not.toContain(wrong)
    },
  )

  test('is refused when it is missing, in no file, empty, or not fit for a header', async () => {
    const none = await quickCli(['sessions', 'list'], url())
    expect(none).toMatchObject({ code: 78, out: '' })
    expect(none.err).toContain('CHATKIT_MINT_TOKEN')
    const missing = ['sessions', 'list', '--token-file', join(folder, 'no-such')]
    expect(await quickCli(missing, url())).toMatchObject({ code: 66, out: '' })
    const empty = ['sessions', 'list', '--token-file', '-']
    expect(await quickCli(empty, url())).toMatchObject({ code: 78, out: '' })
    const split = await quickCli(empty, url(), { input: 'secret.to\nken' })
    expect(split).toMatchObject({ code: 78, out: '' })
    expect(split.err).not.toContain('secret')
  })
})

function linesOf(text: string): Record<string, unknown>[] {
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
}
