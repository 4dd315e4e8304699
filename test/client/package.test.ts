import { execFile, spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { crc32, gunzipSync } from 'node:zlib'
import { beforeAll, describe, expect, test } from 'vitest'
import { VERSION } from '../../src/lib/version.ts'
import { startService } from '../support/running-service.ts'
import { scratchFolder } from '../support/scratch-folder.ts'
import { forAllTests } from '../support/started.ts'

// The package that the service serves, as package managers, Node and TypeScript see it. The managers may call nothing
// else: their registry is a closed port.

const ROOT = resolve(import.meta.dirname, '../..')
const NAME = '@chatkit-mint/client'
const NAMES = ['MintError', 'createChatKitFetch', 'createGetClientSecret']

const running = forAllTests(() => startService())
const download = async () =>
  Buffer.from(await (await fetch(`${running.url}/client.tgz`)).arrayBuffer())

/** A folder of an app that has nothing yet. */
function emptyApp(): string {
  const app = scratchFolder()
  writeFileSync(join(app, 'package.json'), '{ "name": "app", "private": true, "type": "module" }')
  return app
}

/** Not synchronous: the service that is asked runs in this process. */
async function run(app: string, command: string, ...words: readonly string[]): Promise<string> {
  const env = {
    PATH: process.env['PATH'],
    HOME: join(app, 'home'),
    npm_config_registry: 'http://127.0.0.1:1/',
    npm_config_update_notifier: 'false',
    npm_config_audit: 'false',
    YARN_ENABLE_TELEMETRY: '0',
    YARN_NODE_LINKER: 'node-modules',
    YARN_UNSAFE_HTTP_WHITELIST: '127.0.0.1',
  }
  const { stdout } = await promisify(execFile)(command, words, { cwd: app, env, timeout: 15_000 })
  return stdout
}

/** Names that an import in the app gives. */
async function exportsIn(app: string): Promise<unknown> {
  const script = `console.log(JSON.stringify(Object.keys(await import('${NAME}')).sort()))`
  return JSON.parse(await run(app, process.execPath, '--input-type=module', '--eval', script))
}

const installed = (app: string, file: string) =>
  readFileSync(join(app, 'node_modules', NAME, file), 'utf8')

describe('the archive', () => {
  test('has the same bytes from another instance', async () => {
    const other = await startService()
    const bytes = Buffer.from(await (await fetch(`${other.url}/client.tgz`)).arrayBuffer())
    expect(bytes.equals(await download())).toBe(true)
    expect((await download()).equals(bytes)).toBe(true)
  })

  test('has no time, system or compressor name that differs between machines', async () => {
    const bytes = await download()
    const tar = gunzipSync(bytes)
    expect([...bytes.subarray(0, 11)]).toEqual([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255, 1])
    expect(bytes.readUInt32LE(bytes.length - 8)).toBe(crc32(tar))
    expect(bytes.length - tar.length).toBe(23)
  })

  test('is one that the system tar reads, with four files that anyone may read', async () => {
    const listing = spawnSync('tar', ['-tvzf', '-'], {
      input: await download(),
      env: { ...process.env, TZ: 'UTC' },
      encoding: 'utf8',
    })
    expect({ status: listing.status, stderr: listing.stderr }).toEqual({ status: 0, stderr: '' })
    const lines = listing.stdout.trimEnd().split('\n')
    expect(lines.map((line) => line.split(' ').at(-1))).toEqual([
      'package/package.json',
      'package/README.md',
      'package/client.js',
      'package/client.d.ts',
    ])
    for (const line of lines) expect(line).toMatch(/^-rw-r--r-- 0\/0 +\d+ 1985-10-26 08:15 /)
  })
})

describe('npm', () => {
  let app: string

  beforeAll(async () => {
    app = emptyApp()
    await run(app, 'npm', 'install', `${running.url}/client.tgz`)
  })

  test('installs it by its URL, and asks no registry', async () => {
    expect(JSON.parse(readFileSync(join(app, 'package.json'), 'utf8'))).toMatchObject({
      dependencies: { [NAME]: `${running.url}/client.tgz` },
    })
    expect(await exportsIn(app)).toEqual(NAMES)
  })

  test('finds the version of the service, types, and no dependencies', () => {
    const manifest = JSON.parse(installed(app, 'package.json'))
    expect(manifest).toMatchObject({ name: NAME, version: VERSION, type: 'module' })
    expect(Object.keys(manifest)).not.toEqual(
      expect.arrayContaining([expect.stringMatching(/dependencies|scripts|bin/i)]),
    )
    expect(readdirSync(join(app, 'node_modules', NAME)).toSorted()).toEqual(
      ['README.md', 'client.d.ts', 'client.js', 'package.json'].toSorted(),
    )
  })

  test('finds script and types without `exports`, which older bundlers and TypeScript do not read', () => {
    const manifest = JSON.parse(installed(app, 'package.json'))
    const byExports = manifest.exports['.']
    expect([manifest.main, manifest.types]).toEqual([byExports.default, byExports.types])
  })

  test('gives tools its package.json', async () => {
    const find = `console.log(require('${NAME}/package.json').name)`
    expect(await run(app, process.execPath, '--input-type=commonjs', '--eval', find)).toBe(
      `${NAME}\n`,
    )
  })

  test('gets the script and the types that the service serves', async () => {
    for (const file of ['client.js', 'client.d.ts']) {
      expect(installed(app, file)).toBe(await (await fetch(`${running.url}/${file}`)).text())
    }
  })

  test('installs it again from the lock file, whose hash still holds', async () => {
    expect(readFileSync(join(app, 'package-lock.json'), 'utf8')).toContain('"integrity": "sha512-')
    rmSync(join(app, 'node_modules'), { recursive: true })
    rmSync(join(app, 'home'), { recursive: true })
    await run(app, 'npm', 'ci')
    expect(await exportsIn(app)).toEqual(NAMES)
  })

  test.each(['nodenext', 'bundler'])('TypeScript finds its types (%s)', (resolution) => {
    const page = [
      `import { createChatKitFetch, createGetClientSecret, MintError } from '${NAME}'`,
      `export const chatKitFetch: typeof fetch = createChatKitFetch({ url: '', workflow: 'helpdesk' })`,
      '// @ts-expect-error There is no such option.',
      `export const getClientSecret = createGetClientSecret({ url: '', token: '' })`,
      `export const code = (error: unknown) => (error instanceof MintError ? error.code : '')`,
    ]
    writeFileSync(join(app, 'page.ts'), page.join('\n'))
    const module = resolution === 'bundler' ? 'esnext' : resolution
    const options = [
      '--strict',
      '--noEmit',
      '--singleThreaded',
      '--types',
      '',
      '--lib',
      'es2022,dom',
    ]
    const { stdout } = spawnSync(
      join(ROOT, 'node_modules/.bin/tsc'),
      [...options, '--module', module, '--moduleResolution', resolution, 'page.ts'],
      { cwd: app, encoding: 'utf8' },
    )
    expect(stdout).toBe('')
  })

  test('installs a copy that the app keeps, and needs no service any more', async () => {
    const own = emptyApp()
    const file = `vendor/chatkit-mint-client-${VERSION}.tgz`
    mkdirSync(join(own, 'vendor'))
    writeFileSync(join(own, file), await download())
    await run(own, 'npm', 'install', `./${file}`)
    expect(JSON.parse(readFileSync(join(own, 'package.json'), 'utf8'))).toMatchObject({
      dependencies: { [NAME]: `file:${file}` },
    })
    rmSync(join(own, 'node_modules'), { recursive: true })
    await run(own, 'npm', 'ci')
    expect(await exportsIn(own)).toEqual(NAMES)
  })
})

/** Whether the machine has it; with `CI=true` it must. */
function wants(manager: string): boolean {
  return process.env['CI'] === 'true' || spawnSync(manager, ['--version']).status === 0
}

describe.each(['pnpm', 'yarn'])('%s', (manager) => {
  test.runIf(wants(manager))(`installs it by its URL (needs ${manager})`, async () => {
    const app = emptyApp()
    await run(app, manager, 'add', `${running.url}/client.tgz`)
    expect(await exportsIn(app)).toEqual(NAMES)
  })
})
