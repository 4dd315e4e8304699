import { execFileSync, spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, expect, test } from 'vitest'
import { scratchFolder } from '../support/scratch-folder.ts'
import { NODE } from '../support/service-process.ts'
import { pretendVersion } from '../support/spies.ts'

const ROOT = resolve(import.meta.dirname, '../..')
const CHECK = join(ROOT, 'src/check-node.js')

function run(version: string) {
  const argumentsOfNode = ['--import', pretendVersion(version), '--import', CHECK, '--eval', '']
  return spawnSync(NODE, argumentsOfNode, { encoding: 'utf8' })
}

describe('the Node that the process runs on', () => {
  test.each(['18.20.4', '20.20.2', '22.22.0', '24.10.9'])('%s is too old', (version) => {
    const { status, stdout, stderr } = run(version)
    expect({ status, stdout }).toEqual({ status: 78, stdout: '' })
    expect(stderr).toContain(`needs Node 24.11 or newer; this is ${version}`)
    expect(stderr).toContain('npm ci')
  })

  test.each(['24.11.0', '24.12.1', '25.0.0', '26.10.0'])('%s will do', (version) => {
    expect(run(version)).toMatchObject({ status: 0, stderr: '' })
  })
})

test('src/main.ts without the npm scripts says so too', () => {
  const started = ['--import', pretendVersion('22.18.0'), 'src/main.ts']
  const { status, stderr } = spawnSync(NODE, started, { cwd: ROOT, encoding: 'utf8' })
  expect(status).toBe(78)
  expect(stderr).toMatch(/^chatkit-mint needs Node 24\.11 or newer; this is 22\.18\.0/)
  expect(stderr).toContain('npm start')
})

test.each([
  ['--import', './src/check-node.js', 'src/main.ts'],
  ['src/commands/chatkit-mint.js', '--help'],
])('before npm ci the message says to run it: %s %s', (...command) => {
  const cwd = scratchFolder()
  const program = "import 'commander'\n"
  mkdirSync(join(cwd, 'src/commands/cli'), { recursive: true })
  copyFileSync(CHECK, join(cwd, 'src/check-node.js'))
  copyFileSync(
    join(ROOT, 'src/commands/chatkit-mint.js'),
    join(cwd, 'src/commands/chatkit-mint.js'),
  )
  writeFileSync(join(cwd, 'src/main.ts'), program)
  writeFileSync(join(cwd, 'src/commands/cli/main.ts'), program)
  writeFileSync(join(cwd, 'package.json'), '{"type":"module"}')
  const { status, stdout, stderr } = spawnSync(NODE, command, { cwd, encoding: 'utf8' })
  expect({ status, stdout, stderr }).toEqual({
    ...{ status: 69, stdout: '' },
    stderr: 'chatkit-mint needs its packages; run "npm ci" first.\n',
  })
})

const OLD = '/usr/bin/node'

function isOldNode(): boolean {
  try {
    const version = execFileSync(OLD, ['--version'], { encoding: 'utf8' })
    const [major = 0] = version.slice(1).split('.').map(Number)
    return major >= 20 && major < 24
  } catch {
    return false
  }
}

describe.runIf(isOldNode())('a real old Node (20 to 23), where the system has one', () => {
  test.each(['src/main.ts', 'src/commands/demo/demo.ts', 'src/commands/chatkit-api.ts'])(
    '%s is not even read: the message comes first',
    (entry) => {
      const { status, stdout, stderr } = spawnSync(
        OLD,
        ['--import', './src/check-node.js', entry],
        { cwd: ROOT, encoding: 'utf8' },
      )
      expect({ status, stdout }).toEqual({ status: 78, stdout: '' })
      expect(stderr).toMatch(/^chatkit-mint needs Node 24\.11 or newer; this is 2\d\./)
    },
  )
})

test('every script of ours that runs TypeScript checks first', async () => {
  const { default: manifest } = await import('../../package.json', { with: { type: 'json' } })
  const scripts = Object.values(manifest.scripts).filter((script) =>
    /^(?:exec )?node\b/.test(script),
  )
  expect(scripts.length).toBeGreaterThanOrEqual(5)
  for (const script of scripts)
    expect(script).toMatch(
      /^(?:exec )?node --import \.\/src\/check-node\.js (?:src|test\/(?:bench|walk))\//,
    )
})
