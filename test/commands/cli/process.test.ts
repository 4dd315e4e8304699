import { spawn, spawnSync } from 'node:child_process'
import { existsSync, statSync } from 'node:fs'
import { delimiter, join, resolve } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { startChatKitApi } from '../../../src/embedded/chatkit-api/api.ts'
import { scratchFolder } from '../../support/scratch-folder.ts'
import { NODE, spawnNode } from '../../support/service-process.ts'
import { pretendVersion } from '../../support/spies.ts'
import { forAllTests } from '../../support/started.ts'
import { BIN, cli } from './run-cli.ts'

const ROOT = resolve(import.meta.dirname, '../../..')
const folder = scratchFolder()

let env: Record<string, string>
const api = forAllTests(() => startChatKitApi({ port: 0 }))
beforeAll(async () => {
  env = { OPENAI_BASE_URL: api.url, OPENAI_API_KEY: 'sk-process' }
})

describe('output that nobody reads to its end', () => {
  test.each(['threads list --limit 100 --json', 'threads list --limit 100'])(
    'of %s ends with 141 and prints no stack trace',
    async (words) => {
      // More than a pipe holds.
      const title = 'long '.repeat(1000)
      for (let n = 0; n < 60; n++) api.api.seedThread({ user: 'x', title })
      const line = `"${NODE}" "${BIN}" ${words} | head -n 1; exit "\${PIPESTATUS[0]}"`
      const child = spawn('bash', ['-c', line], {
        env: { PATH: process.env['PATH'] ?? '', ...env },
        stdio: ['ignore', 'pipe', 'pipe'],
      })
      const said = { out: '', err: '' }
      child.stdout.on('data', (chunk) => {
        said.out += String(chunk)
      })
      child.stderr.on('data', (chunk) => {
        said.err += String(chunk)
      })
      const code = await new Promise((done) => child.on('close', done))
      expect(said.out.split('\n')).toHaveLength(2)
      expect({ code, err: said.err }).toEqual({ code: 141, err: '' })
    },
  )

  test('of help ends with 0 and prints no stack trace', () => {
    const line = `"${NODE}" "${BIN}" --help | true; exit "\${PIPESTATUS[0]}"`
    const { status, stderr } = spawnSync('bash', ['-c', line], { encoding: 'utf8' })
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  })
})

test.runIf(existsSync('/dev/full')).each(['--help', '--version', 'help users'])(
  '%s on a full disk ends with 74 (needs /dev/full)',
  (words) => {
    const line = `"${NODE}" "${BIN}" ${words} > /dev/full`
    const { status } = spawnSync('bash', ['-c', line])
    expect(status).toBe(74)
  },
)

test('Ctrl-C ends a hanging call with 130 and a message', async () => {
  api.api.setFaults({ hang: true, times: 1 })
  api.api.clearRequests()
  const spawned = spawnNode([BIN, 'threads', 'list'], env)
  await spawned.until(() => (api.api.requests().length > 0 ? true : undefined))
  spawned.child.kill('SIGINT')
  expect(await spawned.exited).toEqual({ code: 130, signal: null })
  expect(spawned.stderr()).toBe('chatkit-mint: interrupted\n')
  api.api.setFaults({})
})

test('help names every command, every variable that is read, and every exit code', async () => {
  const { code, out, err } = await cli(['--help'])
  expect({ code, err }).toEqual({ code: 0, err: '' })
  for (const text of [
    ...['sessions', 'threads', 'users', 'jwt', 'doctor', 'keys', 'completion'],
    ...['CHATKIT_MINT_URL', 'CHATKIT_MINT_TOKEN_FILE', 'OPENAI_API_KEY_FILE', 'OPENAI_BASE_URL'],
    ...[0, 1, 2, 66, 69, 74, 75, 77, 78, 130, 141].map((exit) => `\n  ${exit} `),
  ]) {
    expect(out).toContain(text)
  }
})

test('an old Node is refused with a sentence before any TypeScript is read', () => {
  const words = ['--import', pretendVersion('20.20.2'), BIN, '--help']
  const { status, stdout, stderr } = spawnSync(NODE, words, { encoding: 'utf8' })
  expect({ status, stdout }).toEqual({ status: 78, stdout: '' })
  expect(stderr).toContain('needs Node 24.11 or newer; this is 20.20.2')
  expect(stderr).toContain('npx chatkit-mint')
})

function hasNpx(): boolean {
  const folders = (process.env['PATH'] ?? '').split(delimiter)
  return folders.some((folder) => existsSync(join(folder, 'npx')))
}

describe.runIf(hasNpx())('npx chatkit-mint, where there is an npx', () => {
  // Git keeps the owner's bit alone; a umask takes the others.
  test('has a file that its owner may execute', () => {
    expect(statSync(BIN).mode & 0o100).toBe(0o100)
  })

  test.each([ROOT, join(ROOT, 'src/commands')])(
    'runs from %s without network, with what is installed',
    (cwd) => {
      const { status, stdout } = spawnSync('npx', ['chatkit-mint', 'threads', '--help'], {
        cwd,
        encoding: 'utf8',
        env: {
          // Not the PATH of the test run, which contains node_modules/.bin.
          PATH: (process.env['PATH'] ?? '').replaceAll(/[^:]*node_modules\/\.bin:/g, ''),
          npm_config_cache: folder,
          npm_config_registry: 'http://127.0.0.1:1',
        },
      })
      expect(status).toBe(0)
      expect(stdout).toContain('Usage: chatkit-mint threads')
    },
  )
})
