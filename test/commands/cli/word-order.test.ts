import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { startChatKitApi } from '../../../src/embedded/chatkit-api/api.ts'
import { forAllTests } from '../../support/started.ts'
import { quickCli } from './run-cli.ts'

// Options count wherever they stand, and an option is never the value of another.

let env: Record<string, string>
const api = forAllTests(() => startChatKitApi({ port: 0 }))
beforeAll(() => {
  env = { OPENAI_BASE_URL: api.url, OPENAI_API_KEY: 'sk-from-the-environment' }
  for (let n = 0; n < 3; n++) api.api.seedThread({ user: 'threads' })
})
beforeEach(() => api.api.clearRequests())

describe('an option counts', () => {
  test.each([
    ['the key before the command', '--api-key sk-from-an-option beta:chatkit:threads list --json'],
    ['--json before the command', '--json threads list'],
    ['--json between group and command', 'threads --json list'],
    ['with its value joined to it', '--limit=2 threads list --json'],
    ['a value that is the name of a command', '--user threads threads list --json'],
    ['several on all sides', '--order asc threads --user threads list --json --limit 2'],
  ])('%s', async (_name, line) => {
    const { code, out, err } = await quickCli(line.split(' '), env)
    expect({ code, err }).toEqual({ code: 0, err: '' })
    const { data } = JSON.parse(out)
    expect(data).toHaveLength(line.includes('limit') ? 2 : 3)
    const [key] = api.api.requests().map((one) => one.key_hint)
    expect(key).toBe(line.includes('--api-key') ? '…tion' : '…ment')
  })

  test('--url and --base-url before the command choose the target', async () => {
    const service = await quickCli(['--url', 'http://127.0.0.1:1', 'threads', 'list'], {
      ...env,
      CHATKIT_MINT_TOKEN: 'a.b.c',
    })
    expect(service).toMatchObject({ code: 69, out: '' })
    expect(service.err).toContain('no answer from http://127.0.0.1:1')
    const other = await quickCli(['--base-url', 'http://127.0.0.1:1', 'threads', 'list'], env)
    expect(other).toMatchObject({ code: 69, out: '' })
    expect(api.api.requests()).toEqual([])
  })

  test('before a command that does not take it, it is refused', async () => {
    for (const words of [
      ['--api-key', 'sk-x', 'users', 'revoke', 'bob'],
      ['--limit', '3', 'sessions', 'create'],
    ]) {
      const { code, out, err } = await quickCli(words, env)
      expect({ code, out }).toEqual({ code: 2, out: '' })
      expect(err).toContain(`unknown option '${words[0]}'`)
    }
  })

  test('after -- there are no options', async () => {
    const { code, err } = await quickCli(['threads', 'list', '--', '--json'], env)
    expect(code).toBe(2)
    expect(err).toContain('too many arguments')
    const service = { CHATKIT_MINT_URL: 'http://127.0.0.1:1', CHATKIT_MINT_TOKEN: 'a.b.c' }
    expect(await quickCli(['users', 'unblock', '--', '--json'], service)).toMatchObject({
      code: 69,
    })
  })
})

describe('a value that begins with -- is a missing argument', () => {
  const session = ['sessions', 'create', '--workflow', '{id: id}']
  test.each([
    [['threads', 'list', '--user', '--json'], '--user <user>'],
    [[...session, '--user', '--json'], '--user <user>'],
    [['--user', '--json', ...session], '--user <user>'],
    [['threads', 'list', '--after', '--limit', '3'], '--after <id>'],
    [['sessions', 'cancel', '--session-id', '--', 'cksess_1'], '--session-id <id>'],
    [['users', 'revoke', 'bob', '--reason', '--json'], '--reason <text>'],
  ])('%j', async (words, option) => {
    const { code, out, err } = await quickCli(words, env)
    expect({ code, out }).toEqual({ code: 2, out: '' })
    expect(err).toContain(`option '${option}' argument missing`)
    expect(api.api.requests()).toEqual([])
    expect(api.api.sessions()).toEqual([])
  })

  test('a secret that was meant as an option is not repeated', async () => {
    const { code, err } = await quickCli(['threads', 'list', '--user', '--apikey=sk-slip'], env)
    expect(code).toBe(2)
    expect(err).not.toContain('slip')
  })

  test('joined with =, it is a value, so such a user can be found', async () => {
    const { id } = api.api.seedThread({ user: '--json' })
    const { code, out } = await quickCli(['threads', 'list', '--user=--json', '--json'], env)
    expect(code).toBe(0)
    expect(JSON.parse(out).data).toMatchObject([{ id }])
  })
})

test('--version prints the version alone, wherever it stands', async () => {
  for (const words of [['--version'], ['threads', 'list', '--version']]) {
    const { code, out, err } = await quickCli(words)
    expect({ code, err }).toEqual({ code: 0, err: '' })
    expect(out).toMatch(/^\d+\.\d+\.\d+\n$/)
  }
})

test('an option takes a value under every command that has it, or under none', async () => {
  const { out } = await quickCli(['completion', 'fish'])
  const takesValue = new Map<string, boolean>()
  for (const [, name = '', rest = ''] of out.matchAll(/^complete .* -l (\S+) -d '.*?'(.*)$/gm)) {
    const takes = / -[rx]/.test(rest)
    expect({ name, takes }).toEqual({ name, takes: takesValue.get(name) ?? takes })
    takesValue.set(name, takes)
  }
  expect(takesValue.size).toBeGreaterThan(20)
})
