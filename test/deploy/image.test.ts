import { execFileSync, spawn } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  existsSync,
  globSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { environmentSchema } from '../../src/config/variables.ts'
import { scratchFolder } from '../support/scratch-folder.ts'
import { NODE } from '../support/service-process.ts'

// There is no container engine in CI: the image's files are put together by the same rules, and run.

const ROOT = resolve(import.meta.dirname, '../..')
const dockerfile = readFileSync(join(ROOT, 'Dockerfile'), 'utf8')
const ignored = readFileSync(join(ROOT, '.dockerignore'), 'utf8').split('\n').filter(Boolean)

const START = ['--import', './src/check-node.js', 'src/main.ts']

/** The words of a `CMD`; the health check's is indented. */
function commandOf(line: 'CMD' | '  CMD'): string[] {
  const words = new RegExp(`^${line} (\\[.*\\])$`, 'm').exec(dockerfile)?.[1]
  return JSON.parse(words ?? '[]')
}

/** `.dockerignore`, last match wins, for the directories that the Dockerfile copies. */
function isInContext(file: string): boolean {
  return ignored.reduce((kept, line) => {
    const pattern = line.replace(/^!/, '')
    const matches =
      pattern === '*' ||
      file === pattern ||
      file.startsWith(`${pattern}/`) ||
      (pattern.endsWith('/*') && file.startsWith(pattern.slice(0, -1)))
    return matches ? line.startsWith('!') : kept
  }, true)
}

function packageVersion(): string {
  return JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')).version
}

function productionModules(): string[] {
  const lock = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { dev?: boolean; optional?: boolean }>
  }
  return Object.entries(lock.packages)
    .filter(([path, { dev }]) => path.startsWith('node_modules/') && !dev)
    .map(([path]) => path)
    .filter((path) => existsSync(join(ROOT, path)))
}

const image = scratchFolder()
beforeAll(() => {
  const files = globSync('{package.json,config/**,src/**}', { cwd: ROOT }).filter(isInContext)
  for (const file of files.filter((name) => /\.\w+$/.test(name))) {
    cpSync(join(ROOT, file), join(image, file))
  }
  for (const path of productionModules()) {
    const target = join(image, path)
    if (existsSync(target)) continue
    execFileSync('mkdir', ['-p', dirname(target)])
    symlinkSync(join(ROOT, path), target)
  }
})

describe('the image', () => {
  test('leaves out embedded/ and the commands that use it, and has check-config', () => {
    expect(existsSync(join(image, 'src/main.ts'))).toBe(true)
    expect(existsSync(join(image, 'src/embedded'))).toBe(false)
    expect(existsSync(join(image, 'src/commands/demo/demo.ts'))).toBe(false)
    expect(existsSync(join(image, 'src/commands/dev'))).toBe(false)
    expect(existsSync(join(image, 'src/commands/check-config.ts'))).toBe(true)
  })

  test('leaves out .env, and so does the repository', () => {
    expect(isInContext('.env')).toBe(false)
    expect(readFileSync(join(ROOT, '.gitignore'), 'utf8').split('\n')).toContain('.env')
  })

  test('holds all that the service needs: it starts, and its health check succeeds', async () => {
    const data = scratchFolder()
    const config = join(data, 'config.yaml')
    writeFileSync(
      config,
      `issuers: [{ issuer: 'https://issuer.test', audience: [a], algorithms: [HS256], secret_env: S }]
user: claims.sub
workflows: { w: { id: wf_1 } }
`,
    )
    chmodSync(config, 0o444)
    const env = {
      PATH: process.env['PATH'] ?? '',
      NODE_ENV: 'production',
      CONFIG_FILE: config,
      STORE_URL: `sqlite:${data}/store/mint.db`,
      HOST: '127.0.0.1',
      PORT: '0',
      METRICS_PORT: '0',
      OPENAI_API_KEY: 'sk-test-0123456789',
      S: 'a shared secret of at least thirty-two bytes',
    }
    // With --preserve-symlinks, so that nothing is found in the development tree by way of a link.
    const command = ['--preserve-symlinks', ...START]
    const child = spawn(NODE, command, { cwd: image, env, stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    child.stderr.on('data', (chunk) => {
      output += chunk
    })
    const url = await new Promise<string>((found, failed) => {
      child.stdout.on('data', (chunk) => {
        output += chunk
        const match = /"url":"(http:[^"]+)","msg":"listening"/.exec(output)
        if (match?.[1]) found(match[1])
      })
      child.once('exit', (code) => failed(new Error(`exit ${code}: ${output}`)))
    })
    const port = new URL(url).port
    const [, ...args] = commandOf('  CMD')
    execFileSync(NODE, args, { env: { ...env, PORT: port } })
    expect(() => execFileSync(NODE, args, { env: { ...env, PORT: '1' }, stdio: 'pipe' })).toThrow()
    child.removeAllListeners('exit')
    child.kill('SIGKILL')
  })

  test('runs as another user than root, and not through a shell or npm', () => {
    const last = dockerfile.slice(dockerfile.lastIndexOf('FROM '))
    expect(last).toMatch(/^USER node$/m)
    expect(commandOf('CMD')).toEqual(['node', ...START])
    expect(last).not.toMatch(/curl|wget/)
    expect(dockerfile).toMatch(/npm ci --omit=dev/)
  })

  test('has the command line on the PATH, started through its link', () => {
    const [, target = '', name = ''] =
      /ln -s \/app\/(\S+) \/usr\/local\/bin\/(\S+)/.exec(dockerfile) ?? []
    const link = join(scratchFolder(), name)
    symlinkSync(join(image, target), link)
    const version = execFileSync(link, ['--version'], { env: { PATH: dirname(NODE) } })
    expect(name).toBe('chatkit-mint')
    expect(String(version).trim()).toContain(packageVersion())
  })

  test('says what it is and what it is made from', () => {
    const labels = Array.from(
      dockerfile.matchAll(/org\.opencontainers\.image\.([\w.]+)="([^"]+)"/g),
      ([, name, value]) => [name, value],
    )
    const [, base] = /^FROM (\S+)$/m.exec(dockerfile) ?? []
    expect(Object.fromEntries(labels)).toMatchObject({
      title: 'chatkit-mint',
      'base.name': `docker.io/library/${base}`,
      revision: '$REVISION',
    })
  })

  test('lets Prometheus in: metrics listen beyond loopback, on a port that is named', () => {
    expect(dockerfile).toMatch(/METRICS_HOST=0\.0\.0\.0$/m)
    const { PORT, METRICS_PORT } = environmentSchema.parse({})
    expect(dockerfile).toMatch(new RegExp(`^EXPOSE ${PORT} ${METRICS_PORT}$`, 'm'))
  })
})

describe('fly.toml', () => {
  const fly = readFileSync(join(ROOT, 'fly.toml'), 'utf8')

  test('checks /readyz, and waits longer than the drain takes before it kills', () => {
    expect(fly).toMatch(/path = "\/readyz"/)
    const timeout = Number(/kill_timeout = "(\d+)s"/.exec(fly)?.[1])
    expect(timeout).toBeGreaterThan(20)
    expect(fly).toMatch(/kill_signal = "SIGTERM"/)
  })

  test('names the address of its app, which self-hosted workflows need', () => {
    const app = /^app = "([^"]+)"$/m.exec(fly)?.[1]
    expect(fly).toContain(`PUBLIC_URL = "https://${app}.fly.dev"`)
  })

  test('keeps one machine running with a volume where the store is', () => {
    expect(fly).toMatch(/auto_stop_machines = "off"/)
    expect(fly).toMatch(/destination = "\/data"/)
    expect(dockerfile).toMatch(/STORE_URL=sqlite:\/data\//)
  })

  test('has the metrics where Fly can reach them', () => {
    const port = /METRICS_PORT = "(\d+)"/.exec(fly)?.[1]
    expect(fly).toMatch(/METRICS_HOST = "::"/)
    expect(fly).toMatch(new RegExp(`\\[metrics\\]\\n {2}port = ${port}`))
  })
})
