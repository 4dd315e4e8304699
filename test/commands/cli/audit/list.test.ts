import { expect, test } from 'vitest'
import { follow } from '../../../../src/commands/cli/audit/follow.ts'
import { runCli } from '../../../../src/commands/cli/program.ts'
import { ADMIN_CONFIG, adminToken, revoke, secretOf } from '../../../support/admin-calls.ts'
import { startService } from '../../../support/running-service.ts'
import { forAllTests } from '../../../support/started.ts'
import { quickCli, terminal } from '../run-cli.ts'

const running = forAllTests(() => startService({ config: ADMIN_CONFIG }))
const env = () => ({ CHATKIT_MINT_URL: running.url, CHATKIT_MINT_TOKEN: adminToken() })

const actionsOf = async (...flags: string[]) => {
  const { code, out, err } = await quickCli(['audit', 'list', '--json', ...flags], env())
  if (code !== 0) throw new Error(err)
  const { data } = JSON.parse(out) as { data: { action: string; at: number }[] }
  return data.map(({ action }) => action)
}

test('audit list accepts the filters of the service, and times in either form', async () => {
  await secretOf(running, 'alice')
  await revoke(running, 'alice')
  const about = ['--user', 'alice', '--not-action', 'admin_read']
  expect(await actionsOf(...about)).toEqual(['revoke', 'mint'])
  expect(await actionsOf(...about, '--actor', 'https://issuer.test|ada')).toEqual(['revoke'])
  expect(await actionsOf(...about, '--since', '1000')).toHaveLength(2)
  expect(await actionsOf(...about, '--since', '2999-01-01T00:00:00+01:00')).toEqual([])
  expect(await actionsOf(...about, '--until', '2999-01-01')).toHaveLength(2)
  expect(await actionsOf(...about, '--until', '1970-01-01T00:00Z')).toEqual([])
})

test.each([
  'yesterday',
  '2026-11-26T03:00:00',
  '-1',
  '2026-13-01',
  '2026-02-30',
  '2025-02-29T00:00Z',
  '1e3',
  '',
])('audit list refuses the time %j before it asks', async (time) => {
  const { code, err } = await quickCli(['audit', 'list', `--since=${time}`], env())
  expect([code, err]).toEqual([2, expect.stringContaining('--since')])
})

test.each(['--action', '--not-action'])(
  'audit list names the kinds for %s revok',
  async (option) => {
    const { code, err } = await quickCli(['audit', 'list', option, 'revok'], env())
    expect([code, err]).toEqual([2, expect.stringMatching(/Allowed choices are mint, .*revoke/)])
  },
)

test('audit verify accepts the output of audit list --all --json', async () => {
  await secretOf(running, 'bob')
  await quickCli(['users', 'erase', 'bob', '--yes'], env())
  const { out } = await quickCli(['audit', 'list', '--all', '--json', '--limit', '2'], env())
  const verified = await quickCli(['audit', 'verify'], {}, { input: out })
  expect([verified.code, verified.err]).toEqual([0, ''])
  const changed = { input: out.replace('"mint"', '"mant"') }
  const altered = await quickCli(['audit', 'verify'], {}, changed)
  expect([altered.code, altered.out]).toEqual([1, expect.stringMatching(/changed +│ aud_/)])
})

test.each([[''], ['--json']])(
  'audit list --follow %s prints what there is and what comes, not its own reads, and Ctrl-C ends it with 0',
  async (flag) => {
    const who = `follows${flag}`
    await revoke(running, who, { reason: `first of ${who}` })
    const { io, said, controller } = terminal(env())
    const words = ['audit', 'list', '--follow', '--not-action', 'mint', ...(flag ? [flag] : [])]
    const ended = runCli(words, io)
    await expect.poll(() => said.out).toMatch(`first of ${who}`)
    for (const nth of ['second', 'third'])
      await revoke(running, who, { reason: `${nth} of ${who}` })
    await expect.poll(() => said.out, { timeout: 10_000 }).toMatch(`third of ${who}`)
    controller.abort(new Error('interrupted'))
    expect(await ended).toBe(0)
    const lines = said.out.split('\n').filter((line) => line.includes(who))
    expect(lines.map((line) => /first|second|third/.exec(line)?.[0])).toEqual([
      ...['first', 'second', 'third'],
    ])
    expect(said.out.slice(said.out.indexOf(`second of ${who}`))).not.toMatch('GET /v1/admin/audit')
    if (flag) expect(JSON.parse(lines[2] ?? '')).toMatchObject({ reason: `third of ${who}` })
  },
)

test.each(['--all', '--until=5', '--max-items=3', '--after=x'])(
  'audit list --follow does not go with %s',
  async (flag) => {
    const { code, err } = await quickCli(['audit', 'list', '--follow', flag], env())
    expect([code, err]).toEqual([2, expect.stringContaining('--follow')])
  },
)

test('audit list --follow --since reads nothing from before', async () => {
  const { io, controller } = terminal(env())
  const asked: (number | undefined)[] = []
  const pageOf = async ({ since }: { readonly since?: number }) => {
    asked.push(since)
    if (asked.length === 2) controller.abort()
    return { data: [], has_more: false, first_id: null, last_id: null }
  }
  await follow(io, pageOf, { since: 4_000_000_000 })
  expect(asked).toEqual([undefined, 4_000_000_000])
})

test('audit list --follow forgets the oldest of its own reads when their entries never come', async () => {
  const { io, said, controller } = terminal(env())
  const entry = {
    at: 1,
    actor: 'ada',
    action: 'admin_read',
    user: null,
    outcome: 'ok',
    reason: null,
  }
  const entryOf = (read: number) => ({ ...entry, id: `aud_${read}`, request_id: `req_${read}` })
  const pageOf = async (_list: object, request?: { onRequestId: (id: string) => void }) => {
    for (let read = 0; read <= 5000; read++) request?.onRequestId(`req_${read}`)
    controller.abort()
    const data = [entryOf(5000), entryOf(0)]
    return { data, has_more: false, first_id: null, last_id: null }
  }
  await follow(io, pageOf, { json: true })
  expect(said.out.match(/aud_\d+/g)).toEqual(['aud_0'])
})
