import { cpSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { expect, test } from 'vitest'
import { DEFAULT_CONFIG } from '../support/running-service.ts'
import { scratchFolder } from '../support/scratch-folder.ts'
import { type Spawned, spawnNode } from '../support/service-process.ts'

// A copy of the package with a `.env` of its own beside its package.json.

const ROOT = resolve(import.meta.dirname, '../..')
const KEY = 'sk-test-planted-in-a-file-0123456789'
const copy = scratchFolder()
cpSync(join(ROOT, 'src'), join(copy, 'src'), { recursive: true })
cpSync(join(ROOT, 'package.json'), join(copy, 'package.json'))
symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'))
mkdirSync(join(copy, 'data'))
writeFileSync(
  join(copy, 'config.yaml'),
  DEFAULT_CONFIG.replace('workflows:\n', "workflows:\n  own: { server: 'http://127.0.0.1:9/c' }\n"),
)

const FILE = `# of a developer
OPENAI_API_KEY=${KEY}
TEST_SHARED_SECRET="a shared secret of at least thirty-two bytes"
CONFIG_FILE=${copy}/config.yaml
STORE_URL=sqlite:${copy}/data/store.db
HOST=127.0.0.1
PORT=0
METRICS_PORT=0
PUBLIC_URL=https://from-the-file.test
`

function envFile(text: string): void {
  writeFileSync(join(copy, '.env'), text)
}

async function ended(spawned: Spawned) {
  const { code } = await spawned.exited
  const said = spawned.stdout() + spawned.stderr()
  expect(said).not.toContain(KEY)
  return { code, out: spawned.stdout(), err: spawned.stderr() }
}

const START = [join(copy, 'src/main.ts')]
const CLI = join(copy, 'src/commands/chatkit-mint.js')

test('npm start reads it, says so, and the environment wins', async () => {
  envFile(FILE)
  const service = spawnNode(START, { PUBLIC_URL: 'https://from-the-environment.test' })
  await service.until(() => service.log().find(({ msg }) => msg === 'listening'))
  service.child.kill('SIGKILL')
  await ended(service)
  expect(service.log().find(({ msg }) => msg === 'read .env')).toMatchObject({
    variables:
      'CONFIG_FILE HOST METRICS_PORT OPENAI_API_KEY PORT STORE_URL TEST_SHARED_SECRET'.split(' '),
    overridden: ['PUBLIC_URL'],
  })
  expect(service.log().find(({ msg }) => msg === 'starting')).toMatchObject({
    api_keys: { OPENAI_API_KEY: '…6789' },
    public_url: 'https://from-the-environment.test',
  })
})

test('check-config and doctor name what the environment has instead, and no value', async () => {
  envFile(FILE)
  const own = { OPENAI_API_KEY: 'sk-of-the-shell-0123456789', HOST: '127.0.0.1' }
  const command = [join(copy, 'src/commands/check-config.ts'), join(copy, 'config.yaml')]
  const told = /^\.env: read; it gives .*; the environment wins for OPENAI_API_KEY$/m
  const checked = await ended(spawnNode(command, own))
  expect(checked.out).toMatch(told)
  expect(checked.out).not.toContain(own.OPENAI_API_KEY)
  const doctor = await ended(spawnNode([CLI, 'doctor', '--json', '--workflow', 'own'], own))
  expect(JSON.parse(doctor.out).checks).toContainEqual({
    check: '.env',
    status: 'ok',
    message: expect.stringMatching(
      /it gives CONFIG_FILE, .*; the environment wins for OPENAI_API_KEY$/,
    ),
  })
})

test('a NODE_* name in it is an error of npm start and check-config, beside all others', async () => {
  envFile(`${FILE}NODE_EXTRA_CA_CERTS=/etc/ca.pem\n`)
  const late = /\.env: NODE_EXTRA_CA_CERTS: Node has started .* set it in the environment/
  const started = await ended(spawnNode(START, { PORT: 'x', CONFIG_FILE: '/none.yaml' }))
  expect(started).toMatchObject({ code: 78, out: '', err: expect.stringMatching(late) })
  expect(started.err).toContain('PORT: must be a port')
  expect(started.err).toContain('/none.yaml: cannot be read')
  const command = [join(copy, 'src/commands/check-config.ts'), join(copy, 'config.yaml')]
  expect(await ended(spawnNode(command))).toMatchObject({
    code: 78,
    err: expect.stringMatching(late),
  })
})

test('check-config reads it: a secret in it that cannot be one is an error', async () => {
  const command = [join(copy, 'src/commands/check-config.ts'), join(copy, 'config.yaml')]
  envFile(FILE.replace(KEY, `OPENAI_API_KEY=${KEY}`))
  expect(await ended(spawnNode(command))).toMatchObject({
    code: 78,
    err: expect.stringMatching(/OPENAI_API_KEY in the environment, which is written as NAME=value/),
  })
})

test('threads import reads it; a command that asks the API does not', async () => {
  envFile(FILE)
  const lines = join(copy, 'threads.csv')
  writeFileSync(lines, 'thr_1,alice\n')
  const imported = await ended(spawnNode([CLI, 'threads', 'import', '--workflow', 'own', lines]))
  expect(imported).toMatchObject({
    code: 0,
    out: expect.stringMatching(/^1 imported, 0 had an owner already;/),
  })
  const listed = await ended(spawnNode([CLI, 'threads', 'list']))
  expect(listed).toMatchObject({ code: 78, err: expect.stringContaining('OPENAI_API_KEY') })
})
