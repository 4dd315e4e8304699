import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { environmentSchema } from '../../src/config/variables.ts'
import { startChatKitApi } from '../../src/embedded/chatkit-api/api.ts'
import { startSampleServer } from '../support/chatkit/sample-server.ts'
import { freePort } from '../support/network/listen.ts'
import { ISSUER, SHARED_SECRET, tokenFor } from '../support/running-service.ts'
import { scratchFolder } from '../support/scratch-folder.ts'
import { NODE } from '../support/service-process.ts'
import { forAllTests } from '../support/started.ts'
import { carryOut, commandOf, DOCKERFILE, isInContext } from './dockerfile.ts'

const ROOT = resolve(import.meta.dirname, '../..')
const START = ['--min-semi-space-size=4', '--import', './src/check-node.js', 'dist/service/main.js']

function packageVersion(): string {
  return JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')).version
}

const root = scratchFolder()
let image: string
beforeAll(() => {
  image = join(carryOut(root), 'app')
}, 180_000)

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

  describe('started from its folder alone', () => {
    let service: { readonly url: string; readonly env: Readonly<Record<string, string>> }
    const apis = forAllTests(async () => {
      const api = await startChatKitApi({ port: 0 })
      const server = await startSampleServer()
      return { api, server, close: () => Promise.all([api.close(), server.close()]) }
    })
    let child: ChildProcess
    beforeAll(async () => {
      const started = await start(apis.api.url, apis.server.url)
      child = started.child
      service = started
    }, 60_000)
    afterAll(() => child?.kill('SIGKILL'))

    const post = (path: string, bearer: string, body: unknown) =>
      fetch(service.url + path, {
        method: 'POST',
        headers: { authorization: `Bearer ${bearer}`, 'content-type': 'application/json' },
        body: JSON.stringify(body),
      })
    const mint = async (workflow: string): Promise<string> => {
      const answer = await post('/v1/sessions', tokenFor('alice'), { workflow })
      const { client_secret: secret } = (await answer.json()) as { client_secret: string }
      expect([answer.status, typeof secret]).toEqual([200, 'string'])
      return secret
    }

    test('its health check succeeds, and fails where nothing listens', () => {
      const [, ...args] = commandOf('  CMD')
      const env = { ...service.env, PORT: new URL(service.url).port }
      execFileSync(NODE, args, { env })
      expect(() =>
        execFileSync(NODE, args, { env: { ...env, PORT: '1' }, stdio: 'pipe' }),
      ).toThrow()
    })

    test('mints for a hosted workflow, and calls a self-hosted one through the gateway', async () => {
      await mint('w')
      const listing = { type: 'threads.list', params: {} }
      const answer = await post('/chatkit/helpdesk', await mint('helpdesk'), listing)
      expect([answer.status, await answer.json()]).toEqual([
        200,
        expect.objectContaining({ data: [] }),
      ])
    })

    test.each([
      '/docs',
      '/docs/deploy',
      '/docs/docs.css',
      '/admin/signed-out',
      '/admin/assets/console.css',
      '/client.js',
      '/openapi.json',
    ])('serves %s, of which nothing is in the bundle itself', async (path) => {
      const answer = await fetch(service.url + path)
      expect([answer.status, (await answer.text()).length > 500]).toEqual([200, true])
    })

    test('has the metrics of its requests, and those of Node, which are loaded at the first scrape', async () => {
      await mint('w')
      const answer = await fetch(`http://127.0.0.1:${service.env['METRICS_PORT']}/metrics`)
      const text = await answer.text()
      expect(answer.status).toBe(200)
      expect(text).toMatch(/^chatkit_mint_\w+\{[^}]*route="\/v1\/sessions"/m)
      expect(text).toMatch(/^process_cpu_seconds_total \d/m)
    })

    test('has doctor, which looks at everything, and check-config', async () => {
      const options = { cwd: image, env: service.env } as const
      // Not by spawnSync: this process answers the calls of the doctor.
      const doctor = spawn(join(image, 'dist/commands/chatkit-mint.js'), ['doctor'], options)
      const stdout = await text(doctor.stdout)
      expect(stdout).toMatch(/ok {4}config: .*\n(?:.*\n)*ok {4}store: /)
      expect(stdout).toMatch(/^ok {4}workflow \w+: minted and cancelled a session/m)
      const check = ['dist/commands/check-config.js', service.env['CONFIG_FILE'] ?? '']
      const checked = spawnSync(NODE, check, { ...options, encoding: 'utf8' })
      expect(checked.stdout).toContain(': ok: 1 issuer, 2 workflows')
    })
  })

  test('runs as another user than root, and not through a shell or npm', () => {
    const last = DOCKERFILE.slice(DOCKERFILE.lastIndexOf('FROM '))
    expect(last).toMatch(/^USER node$/m)
    expect(commandOf('CMD')).toEqual(['node', ...START])
    expect(last).not.toMatch(/curl|wget/)
    expect(DOCKERFILE).toMatch(/npm ci --omit=dev/)
  })

  test('has the command line on the PATH, started through its link', () => {
    const link = join(image, '../usr/local/bin/chatkit-mint')
    const version = execFileSync(link, ['--version'], { env: { PATH: dirname(NODE) } })
    expect(String(version).trim()).toContain(packageVersion())
  })

  test('says what it is and what it is made from', () => {
    const labels = Array.from(
      DOCKERFILE.matchAll(/org\.opencontainers\.image\.([\w.]+)="([^"]+)"/g),
      ([, name, value]) => [name, value],
    )
    const [, base] = /^FROM (\S+)$/m.exec(DOCKERFILE) ?? []
    expect(Object.fromEntries(labels)).toMatchObject({
      title: 'chatkit-mint',
      'base.name': `docker.io/library/${base}`,
      revision: '$REVISION',
    })
  })

  test('lets Prometheus in: metrics listen beyond loopback, on a port that is named', () => {
    expect(DOCKERFILE).toMatch(/METRICS_HOST=0\.0\.0\.0$/m)
    const { PORT, METRICS_PORT } = environmentSchema.parse({})
    expect(DOCKERFILE).toMatch(new RegExp(`^EXPOSE ${PORT} ${METRICS_PORT}$`, 'm'))
  })
})

/** With --preserve-symlinks, so that nothing is found in the development tree by way of a link. */
async function start(apiUrl: string, serverUrl: string) {
  const data = scratchFolder()
  const config = join(data, 'config.yaml')
  writeFileSync(
    config,
    `issuers: [{ issuer: '${ISSUER}', audience: [chat-api], algorithms: [HS256], secret_env: S }]
user: claims.sub
workflows: { w: { id: wf_1 }, helpdesk: { server: '${serverUrl}' } }
admins: { when: '"admin" in claims.roles' }
console: { issuer: '${ISSUER}', client_id: c, client_secret_env: S }
`,
  )
  chmodSync(config, 0o444)
  const env = {
    PATH: dirname(NODE),
    NODE_ENV: 'production',
    CONFIG_FILE: config,
    STORE_URL: `sqlite:${data}/store/mint.db`,
    HOST: '127.0.0.1',
    PORT: '0',
    METRICS_PORT: String(await freePort()),
    PUBLIC_URL: 'http://127.0.0.1:8787',
    OPENAI_BASE_URL: apiUrl,
    OPENAI_API_KEY: 'sk-test-0123456789',
    S: SHARED_SECRET,
  }
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
  child.removeAllListeners('exit')
  return { url, env, child }
}

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
    expect(DOCKERFILE).toMatch(/STORE_URL=sqlite:\/data\//)
  })

  test('has the metrics where Fly can reach them', () => {
    const port = /METRICS_PORT = "(\d+)"/.exec(fly)?.[1]
    expect(fly).toMatch(/METRICS_HOST = "::"/)
    expect(fly).toMatch(new RegExp(`\\[metrics\\]\\n {2}port = ${port}`))
  })
})
