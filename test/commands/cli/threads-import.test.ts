import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, expect, test } from 'vitest'
import { createSqliteRegistry } from '../../../src/registry/sqlite.ts'
import { PUBLIC_URL, selfHostedConfig } from '../../support/chatkit/self-hosted.ts'
import { plain } from '../../support/ids.ts'
import { scratchFolder } from '../../support/scratch-folder.ts'
import { quickCli } from './run-cli.ts'

const SERVER = 'http://desk.internal/chatkit'
let folder: string
let path: string

beforeEach(() => {
  folder = scratchFolder()
  path = join(folder, 'mint.db')
  writeFileSync(join(folder, 'c.yaml'), selfHostedConfig({ server: SERVER }))
})

async function importing(lines: string | Uint8Array, ...words: readonly string[]) {
  const file = join(folder, 'threads.csv')
  writeFileSync(file, lines)
  return run('--workflow', 'helpdesk', file, ...words)
}

function run(...words: readonly string[]) {
  const variables = {
    CONFIG_FILE: join(folder, 'c.yaml'),
    TEST_SHARED_SECRET: 'a shared secret of at least thirty-two bytes',
    PUBLIC_URL,
    STORE_URL: `sqlite:${path}`,
  }
  return quickCli(['threads', 'import', ...words], variables)
}

async function owned() {
  const registry = plain(createSqliteRegistry({ path }))
  const page = await registry.listOwned({ kind: 'thread', limit: 2000, order: 'asc' })
  await registry.close()
  return page?.data.map(({ source, id, user }) => [source, id, user])
}

test('each line makes a thread its user’s, in the order of the file; the id ends at the first comma', async () => {
  const answer = await importing('\uFEFFt1,alice\r\n\nt 2,https://idp.example/|a,b \nt3,ä')
  const out = `3 imported, 0 had an owner already; into sqlite:${path}, for ${SERVER}\n`
  expect(answer).toEqual({ code: 0, out, err: '' })
  expect(await owned()).toEqual([
    [SERVER, 't1', 'alice'],
    [SERVER, 't 2', 'https://idp.example/|a,b '],
    [SERVER, 't3', 'ä'],
  ])
})

test('an owner who is known stays, also one from the same file', async () => {
  await importing('t1,alice\n')
  const answer = await importing('t1,bob\nt2,bob\nt2,carol\nt1,alice\n', '--json')
  expect(JSON.parse(answer.out)).toEqual({ imported: 1, kept: 3 })
  expect(await owned()).toEqual([
    [SERVER, 't1', 'alice'],
    [SERVER, 't2', 'bob'],
  ])
})

test.each([
  ['no comma', 't2'],
  ['no id', ',alice'],
  ['no user', 't2,'],
  ['a control character in the id', 't\u00012,alice'],
  ['a control character in the user', 't2,al\u0000ice'],
  ['spaces around the id', ' t2,alice'],
  ['an id of 513 characters', `${'t'.repeat(513)},alice`],
  ['a user of 513 characters', `t2,${'a'.repeat(513)}`],
  ['a user that is a dot', 't2,.'],
])('a line with %s ends it with the line’s number, before anything is written', async (_, line) => {
  const lines = Array.from({ length: 1200 }, (_, at) => `x${at},alice`)
  const { code, out, err } = await importing([...lines, line, 'y,bob'].join('\n'))
  expect({ code, out }).toEqual({ code: 2, out: '' })
  expect(err).toMatch(/line 1201\b.*nothing was written/)
  expect(existsSync(path)).toBe(false)
})

test.each([
  [',alice', 'has no thread id'],
  ['thr_1 ,alice', 'has white space around the thread id'],
  [`${'x'.repeat(513)},alice`, 'the thread id is refused'],
  ['thr\u0000_1,alice', 'the thread id is refused'],
  ['"thr_1","alice"', 'is in quotes'],
  ['thr_1,"alice, of sales"', 'is in quotes'],
  ['thr_1,"alice ""the"" one"', 'is in quotes'],
  ['thr_1, alice', 'has white space before the user'],
])('a line that no user would match is refused with the reason: %j', async (line, why) => {
  const { code, err } = await importing(`${line}\n`)
  expect({ code, err }).toEqual({ code: 2, err: expect.stringContaining(`line 1: ${why}`) })
})

test('a user with bytes that are not UTF-8 is refused', async () => {
  const { code, err } = await importing(Buffer.concat([Buffer.from('t1,a'), Buffer.of(0xff)]))
  expect(code).toBe(2)
  expect(err).toContain('line 1')
})

test('a long file is imported to its end', async () => {
  const answer = await importing(Array.from({ length: 1234 }, (_, at) => `x${at},alice`).join('\n'))
  expect(answer).toMatchObject({
    code: 0,
    out: expect.stringMatching(/^1234 imported, 0 had an owner already;/),
  })
  expect((await owned())?.map(([, id]) => id)).toEqual(
    Array.from({ length: 1234 }, (_, at) => `x${at}`),
  )
})

test('a file that is not there, a workflow without a server and a store in memory are refused', async () => {
  const file = join(folder, 'threads.csv')
  expect(await run('--workflow', 'helpdesk', file)).toMatchObject({ code: 66, out: '' })
  writeFileSync(file, 't1,alice')
  for (const name of ['support', 'none']) {
    expect(await run('--workflow', name, file)).toMatchObject({ code: 2, out: '' })
  }
  expect(await run(file)).toMatchObject({ code: 2, out: '' })
  expect(await run('--workflow', 'helpdesk')).toMatchObject({ code: 2, out: '' })
  path = ''
  expect((await run('--workflow', 'helpdesk', file)).code).not.toBe(0)
})
