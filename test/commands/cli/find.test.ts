import { execFileSync } from 'node:child_process'
import { stripVTControlCharacters } from 'node:util'
import type { Command } from 'commander'
import { beforeAll, describe, expect, test } from 'vitest'
import { createProgram, runCli } from '../../../src/commands/cli/program.ts'
import { ADMIN_CONFIG, adminToken, revoke, secretOf } from '../../support/admin-calls.ts'
import { ISSUER, startService, tokenFor } from '../../support/running-service.ts'
import { forAllTests } from '../../support/started.ts'
import { quickCli, terminal } from './run-cli.ts'

// The commands of an incident: find the user, see their sessions, revoke them.

const running = forAllTests(() => startService({ config: ADMIN_CONFIG }))
let env: Record<string, string>
const LONG = `acme|${'x'.repeat(90)}-end`

beforeAll(async () => {
  env = { CHATKIT_MINT_URL: running.url, CHATKIT_MINT_TOKEN: adminToken() }
  for (const user of ['alice', 'Alison', 'al%ce', 'bob', LONG]) await secretOf(running, user)
})

const cli = (...words: string[]) => quickCli(words, env)
const usersIn = (out: string) =>
  JSON.parse(out).data.map(({ user }: { readonly user: string }) => user)

describe('users find', () => {
  test('finds by the beginning of a name in any case, and shows a table', async () => {
    const { code, out, err } = await cli('users', 'find', 'ALI')
    expect([code, err]).toEqual([0, ''])
    expect(out).toMatch(/user.*subject.*last seen.*live.*blocked until/)
    expect(out).toMatch(/alice[\s\S]*Alison/)
    expect(out).not.toMatch(/al%ce|bob/)
  })

  test('without a name lists all users, last seen first', async () => {
    const all = usersIn((await cli('users', 'find', '--json')).out)
    expect(all).toEqual([LONG, 'bob', 'al%ce', 'Alison', 'alice'])
    const three = await cli('users', 'find', '--limit', '2', '--max-items', '3', '--json')
    expect(usersIn(three.out)).toEqual([LONG, 'bob', 'al%ce'])
    const every = await cli('users', 'find', 'al', '--limit', '1', '--all', '--json')
    expect(usersIn(every.out)).toEqual(['al%ce', 'alice', 'Alison'])
  })

  test('says in a sentence that nobody is found, and prints no table', async () => {
    expect(await cli('users', 'find', 'zz')).toEqual({
      code: 0,
      out: 'There are no users whose user or subject begins with that here.\n',
      err: '',
    })
    expect(JSON.parse((await cli('users', 'find', 'zz', '--json')).out).data).toEqual([])
  })

  test('leaves out the middle of long names on a terminal, and nothing elsewhere', async () => {
    const { io, said } = terminal(env)
    expect(await runCli(['users', 'find', 'acme'], io)).toBe(0)
    const lines = stripVTControlCharacters(said.out).split('\n')
    for (const line of lines) expect([...line].length).toBeLessThanOrEqual(100)
    expect(said.out).toMatch(/acme\|x+…x+-end/)
    expect((await cli('users', 'find', 'acme')).out).toContain(LONG)
    expect((await cli('users', 'find', 'acme', '--json')).out).toContain(LONG)
  })

  test('refuses half a surrogate, 513 characters and a value that begins with --', async () => {
    for (const name of ['\ud83d', '--ali', 'x'.repeat(513)]) {
      expect([name, (await cli('users', 'find', name)).code]).toEqual([name, 2])
    }
    expect((await cli('users', 'find', '😀'.repeat(512))).code).toBe(0)
  })
})

describe('users revoke', () => {
  test('of a user never seen sets the block, says so and ends with 1', async () => {
    const words = ['users', 'revoke', 'alicia', '--block-seconds', '60']
    const { code, out, err } = await cli(...words)
    expect(code).toBe(1)
    expect(out).toMatch(/known\s+false/)
    expect(err).toMatch(/never seen: alicia .*The block is set all the same, until \d{4}-/)
    expect((await running.mint(tokenFor('alicia'))).status).toBe(403)
    expect(await cli(...words, '--even-if-unknown')).toMatchObject({ code: 0, err: '' })
  })

  test('of a user never seen without a block says that none is set', async () => {
    const { code, err } = await cli('users', 'revoke', 'nobody-at-all', '--json')
    expect(code).toBe(1)
    expect(err).toMatch(/never seen: nobody-at-all .*No block is set\./)
  })

  test('accepts issuer and subject of the tokens instead of a user', async () => {
    const words = ['users', 'revoke', '--issuer', ISSUER, '--subject', 'bob', '--json']
    const { code, out } = await cli(...words)
    expect(code).toBe(0)
    expect(JSON.parse(out)).toMatchObject({ user: 'bob', known: true })
    expect(JSON.parse(out).cancelled).toHaveLength(1)
  })

  test.each([
    ['nobody', []],
    ['an issuer alone', ['--issuer', ISSUER]],
    ['a subject alone', ['--subject', 'bob']],
    ['a user and a subject', ['bob', '--issuer', ISSUER, '--subject', 'bob']],
  ])('of %s is a wrong command', async (_name, words) => {
    const { code, err } = await cli('users', 'revoke', ...words)
    expect(code).toBe(2)
    expect(err).toContain('--issuer and --subject together')
  })
})

test('a user may be named with --user, and by two names only if they are equal', async () => {
  const user = 'flagged'
  const named = async (...words: string[]) => (await cli('users', ...words)).code
  for (const [done, ...verb] of [
    [0, 'revoke', '--even-if-unknown'],
    [0, 'unblock'],
    [0, 'export'],
    // This service has no key to sign receipts with.
    [1, 'receipt'],
    [0, 'erase', '--yes'],
  ] as const) {
    const codes = [
      await named(...verb, '--user', user),
      await named(...verb, user, '--user', user),
      await named(...verb, 'other', '--user', user),
      await named(...verb),
    ]
    expect([verb[0], ...codes]).toEqual([verb[0], done, done, 2, 2])
  }
})

test('blocks list shows who is blocked, by whom and why', async () => {
  await revoke(running, 'carol', { block_seconds: 600, reason: 'lost phone' })
  const { code, out } = await cli('blocks', 'list')
  expect(code).toBe(0)
  expect(out).toMatch(/user +│ until +│ reason +│ by +│ created/)
  expect(out).toMatch(/carol.*lost phone.*ada/)
  const { data } = JSON.parse((await cli('blocks', 'list', '--limit', '1', '--json')).out)
  expect(data).toMatchObject([{ user: 'carol', reason: 'lost phone' }])
  const none = await cli('blocks', 'list', '--after', 'nobody')
  expect(none.code).toBe(1)
})

test.each(["acme|o'brien & sons", '$(whoami) "a"', 'plain@acme.example'])(
  'the next page after the block of %s is what a shell makes of the words that are printed',
  async (user) => {
    await revoke(running, 'dave', { block_seconds: 600 })
    await revoke(running, user, { block_seconds: 600 })
    const { err } = await cli('blocks', 'list', '--limit', '1')
    const [, words = ''] = /^there are more: (.*)\n$/.exec(err) ?? []
    expect(String(execFileSync('sh', ['-c', `printf '%s\n' ${words}`]))).toBe(`--after\n${user}\n`)
  },
)

const leaves = ({ commands }: Command, path: readonly string[]): string[][] =>
  commands.length === 0
    ? [[...path]]
    : commands.flatMap((one) => leaves(one, [...path, one.name()]))

test('every command has an example in its help', async () => {
  const paths = leaves(await createProgram(terminal({}).io), [])
  expect(paths.length).toBeGreaterThan(20)
  for (const path of paths) {
    const { code, out, err } = await quickCli([...path, '--help'])
    expect({ code, err }).toEqual({ code: 0, err: '' })
    expect(out).toContain(`Examples:\n  chatkit-mint ${path.join(' ')}`)
  }
})

test('the help of every command fits into 80 columns, apart from lines to paste', async () => {
  const paths = leaves(await createProgram(terminal({}).io), [])
  for (const path of [[], ...paths]) {
    const { io, said, stdout } = terminal({})
    Object.assign(stdout, { columns: 80 })
    await runCli([...path, '--help'], io)
    const wide = said.out.split('\n').filter((line) => line.length > 80)
    expect([path, wide.filter((line) => !line.startsWith('  chatkit-mint '))]).toEqual([path, []])
  }
})

test('a description breaks its lines only after a sentence, because terminals differ in width', async () => {
  const textsOf = (command: Command): string[] => [
    command.description(),
    ...command.commands.flatMap(textsOf),
  ]
  const texts = textsOf(await createProgram(terminal({}).io))
  expect(texts.filter((text) => /[^.]\n/.test(text))).toEqual([])
})
