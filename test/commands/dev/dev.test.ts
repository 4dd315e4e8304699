import { execFileSync } from 'node:child_process'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { readDevSetup } from '../../../src/commands/dev/environment.ts'
import { readOptions } from '../../../src/commands/dev/options.ts'
import { startChatKitApi } from '../../../src/embedded/chatkit-api/api.ts'
import { listenOnLoopback } from '../../../src/embedded/kit/listen.ts'
import { serve } from '../../support/network/listen.ts'
import { scratchFolder } from '../../support/scratch-folder.ts'
import { spawnNode } from '../../support/service-process.ts'
import { createBrowser } from '../../support/sign-in/browser.ts'
import { forAllTests } from '../../support/started.ts'
import { quickCli } from '../cli/run-cli.ts'
import { configFile, type DevScene, startDevScene } from './scene.ts'

const SHIPPED = join(import.meta.dirname, '../../../config/chatkit-mint.yaml')
const COMMAND = 'src/commands/dev/dev.ts'
const KEY = 'sk-proj-planted-key-0123456789abcdef'

const ISSUERS = `
issuers: [{ issuer: 'https://login.test', audience: [a], algorithms: [RS256] }]
user: claims.sub`
const HOSTED = `${ISSUERS}
workflows:
  support: { id: wf_support, when: '"support" in claims.groups' }
  general: { id: wf_general }
`
const WITH_CONSOLE = `${HOSTED}
admins: { when: '"chatkit-admin" in claims.roles' }
console: { issuer: 'https://login.test', client_id: some-client, client_secret_env: CONSOLE_SECRET }
`

function problemsOf(config: string, variables: Readonly<Record<string, string>>): string {
  try {
    readDevSetup(configFile(config), variables)
    return ''
  } catch (error) {
    return String(error)
  }
}

/** Runs `act` on a scene and ends it. */
async function during(scene: Promise<DevScene>, act: (dev: DevScene) => Promise<void>) {
  const dev = await scene
  try {
    await act(dev)
  } finally {
    await dev.close()
  }
}

describe('it is for this machine alone', () => {
  test.each([
    ['NODE_ENV', 'production'],
    ['NODE_ENV', ' production '],
    ['HOST', '0.0.0.0'],
    ['HOST', '::'],
    ['HOST', '192.168.1.20'],
    ['HOST', 'chat.example.com'],
    ['HOST', 'localhost.example.com'],
    ['PUBLIC_URL', 'https://chat.example.com'],
    ['PUBLIC_URL', 'http://192.168.1.20:8787'],
  ])('%s=%s is refused with a sentence that says what to do', async (name, value) => {
    const problem = problemsOf(HOSTED, { [name]: value })
    expect(problem).toMatch(new RegExp(`^SetupError: ${name}: .*run the service with npm start$`))
    await expect(startDevScene(HOSTED, { [name]: value })).rejects.toThrow(name)
  })

  test.each(['127.0.0.1', 'localhost', '::1', '127.1.2.3'])('HOST=%s is allowed', (host) => {
    expect(problemsOf(HOSTED, { HOST: host })).toBe('')
  })

  test('all of them at once, each on its line', () => {
    const problem = problemsOf(HOSTED, {
      NODE_ENV: 'production',
      HOST: '::',
      PUBLIC_URL: 'http://x',
    })
    expect(problem.split('\n')).toHaveLength(3)
  })
})

describe('the config is checked as for npm start', () => {
  test('every problem of file and environment at once', () => {
    const problem = problemsOf(`${HOSTED}\nunknown: 1\n`, { LOG_LEVEL: 'loud', PORT: 'x' })
    for (const part of ['unknown', 'LOG_LEVEL', 'PORT']) expect(problem).toContain(part)
  })

  test('what lets others in is said together with all that is wrong in file and environment', () => {
    const problems = problemsOf(`${HOSTED}colour: red\n`, { HOST: '0.0.0.0', PORT: 'x' })
    expect(problems).toMatch(/HOST: npm run dev.*PORT: must be a port.*colour: is not a known key/s)
  })

  test('an API key that is set is checked', () => {
    expect(problemsOf(HOSTED, { OPENAI_API_KEY: 'your-api-key' })).toContain('OPENAI_API_KEY')
  })

  test('secrets that the sign-in shares need not be set, nor need API keys', () => {
    const config = WITH_CONSOLE.replace('[RS256]', '[HS256], secret_env: JWT_SECRET').replace(
      'user: claims.sub',
      'user: pseudonym(issuer, claims.sub)',
    )
    expect(problemsOf(config, {})).toBe('')
  })
})

describe('hosted workflows', () => {
  const real = forAllTests(() => startChatKitApi({ port: 0 }))

  test('without a key the embedded ChatKit API makes the sessions, and the start says so', async () => {
    const variables = { OPENAI_BASE_URL: real.url }
    await during(startDevScene(HOSTED, variables), async (dev) => {
      const { send_as } = await dev.token({ sub: 'alice' })
      expect(await (await dev.mint(...send_as)).text()).toMatch(/^\{"client_secret":"ek_/)
      expect(dev.introduction).toMatch(
        /support {2}the embedded ChatKit API http:\/\/127\.0\.0\.1:\d+, because OPENAI_API_KEY is not set/,
      )
    })
    expect(real.api.requests()).toEqual([])
  })

  test('with a key the configured API is called, and the start says so without the key', async () => {
    const variables = { OPENAI_BASE_URL: real.url, OPENAI_API_KEY: KEY }
    await during(startDevScene(HOSTED, variables), async (dev) => {
      const { send_as } = await dev.token({ sub: 'alice' })
      expect((await dev.mint(...send_as)).status).toBe(200)
      expect(dev.introduction).toContain(`support  ${real.url} with the key …cdef`)
      expect(dev.introduction).not.toContain(KEY)
    })
    expect(real.api.sessions().map(({ user }) => user)).toEqual(['alice'])
  })

  test('a placeholder for an id goes to the embedded API whatever the key', async () => {
    real.api.clearRequests()
    const variables = { OPENAI_BASE_URL: real.url, OPENAI_API_KEY: KEY }
    const config = `${ISSUERS}\nworkflows: { support: { id: wf_replace_me } }\n`
    await during(startDevScene(config, variables), async (dev) => {
      const { send_as } = await dev.token({ sub: 'alice' })
      expect((await dev.mint(...send_as)).status).toBe(200)
      expect(dev.introduction).toContain('because wf_replace_me is a placeholder')
    })
    expect(real.api.requests()).toEqual([])
  })
})

describe('self-hosted workflows', () => {
  const seen: (string | undefined)[] = []
  const server = forAllTests(() =>
    serve((request, response) => {
      seen.push(request.headers['x-chatkit-user']?.toString())
      request.resume()
      response.writeHead(200, { 'content-type': 'application/json' })
      response.end('{"data":[],"has_more":false}')
    }),
  )

  test('the configured server is called, with PUBLIC_URL and a signing key of the start', async () => {
    const config = `${ISSUERS}\nworkflows: { helpdesk: { server: '${server.origin}/chatkit' } }\n`
    await during(startDevScene(config), async (dev) => {
      const { send_as } = await dev.token({ sub: 'alice' })
      const answer = (await (await dev.mint(...send_as)).json()) as { client_secret: string }
      const listed = await fetch(`${dev.urls.service}/chatkit/helpdesk`, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${answer.client_secret}`,
          'content-type': 'application/json',
        },
        body: JSON.stringify({ type: 'threads.list', params: {} }),
      })
      expect(listed.status).toBe(200)
      expect(dev.introduction).toContain(`helpdesk  your server ${server.origin}/chatkit\n`)
    })
    expect(seen).toEqual(['alice'])
  })

  test('for a server on this machine that does not run, the start says what to do', async () => {
    const config = `${ISSUERS}\nworkflows: { helpdesk: { server: 'http://127.0.0.1:9/chatkit' } }\n`
    await during(startDevScene(config), async (dev) => {
      expect(dev.introduction).toMatch(/nobody listens there yet: start your ChatKit server/)
    })
  })

  test('the line of a refused client secret says nothing of tokens that dev takes', async () => {
    const config = `${ISSUERS}\nworkflows: { helpdesk: { server: 'http://127.0.0.1:9/chatkit' } }\n`
    await during(startDevScene(config), async (dev) => {
      dev.showRequests()
      const headers = { authorization: 'Bearer a.b.c' }
      await fetch(`${dev.urls.service}/chatkit/helpdesk`, { method: 'POST', headers })
      await expect.poll(() => dev.said()).toMatch(/401 invalid_token: client secret: .* ms\)\n$/)
      expect(dev.said()).not.toContain('npm run dev takes only')
    })
  })
})

describe('admins', () => {
  const dev = forAllTests(() => {
    const account = { eve: { roles: ['chatkit-admin'] }, mallory: {} }
    return startDevScene(WITH_CONSOLE, { CONSOLE_SECRET: 'of production' }, { account })
  })

  async function consoleOf(account: string, { urls }: Pick<DevScene, 'urls'> = dev) {
    const browser = createBrowser()
    const page = await browser.go(`${urls.service}/admin`)
    expect(page.url).toContain(`${urls.signIn}/sign-in/`)
    return await browser.submit('/sign-in/', { account })
  }

  test.each(['ada', 'eve'])('%s signs in to the console at the embedded sign-in', async (name) => {
    const page = await consoleOf(name)
    expect([page.status, new URL(page.url).pathname]).toEqual([200, '/admin'])
  })

  test('ada has the claims that admins.when asks for, whatever their names', async () => {
    const rule = '"admin" in claims["https://acme.test/roles"] && claims.o.rol == "a"'
    const config = WITH_CONSOLE.replace('"chatkit-admin" in claims.roles', rule)
    await during(startDevScene(config), async (other) => {
      expect((await consoleOf('ada', other)).status).toBe(200)
      expect((await consoleOf('bob', other)).status).toBe(403)
    })
  })

  test.each(['https://LOCALHOST:8443', 'http://localhost:8080/app/'])(
    'the sign-in knows the console of a service at %s, behind a proxy',
    async (PUBLIC_URL) => {
      await during(startDevScene(WITH_CONSOLE, { PUBLIC_URL }), async ({ urls }) => {
        const begun = await fetch(`${urls.service}/admin/sign-in`, { redirect: 'manual' })
        const page = await createBrowser().go(begun.headers.get('location') ?? '')
        expect(page.url).toContain(`${urls.signIn}/sign-in/`)
      })
    },
  )

  test('the page of a wrong address leads a browser to the docs and the console', async () => {
    const answer = await fetch(`${dev.urls.service}/`, {
      headers: { 'sec-fetch-dest': 'document' },
    })
    expect(answer.status).toBe(404)
    const page = await answer.text()
    expect(page).toContain('href="docs/../docs">To the documentation</a>')
    expect(page).toContain('href="docs/../admin">To the console</a>')
  })

  test('the start names the console, and who is an admin', () => {
    expect(dev.introduction).toMatch(/\/admin {2}the console: sign in as ada/)
  })
})

test('the shipped file runs unchanged, and the start names its placeholders', async () => {
  const options = { config: SHIPPED }
  await during(startDevScene('', {}, options), async (dev) => {
    const { send_as } = await dev.token({ sub: 'alice' })
    expect((await dev.mint(...send_as)).status).toBe(200)
    expect(dev.introduction).toContain('npm start refuses them')
  })
})

test('pages on the usual ports of Next.js and Vite may call it, those of others as cors.origins says', async () => {
  const config = `${HOSTED}cors: { origins: ['https://app.test'] }\n`
  await during(startDevScene(config), async (dev) => {
    const { send_as } = await dev.token({ sub: 'alice' })
    const from = async (origin: string) => (await dev.mint(...send_as, `Origin: ${origin}`)).status
    for (const origin of ['http://localhost:3000', 'http://localhost:5173', 'https://app.test']) {
      expect(await from(origin)).toBe(200)
    }
    expect(await from('http://localhost:4000')).toBe(403)
  })
})

test('STORE_URL is used, and named', async () => {
  const path = join(scratchFolder(), 'dev.db')
  await during(startDevScene(HOSTED, { STORE_URL: `sqlite:${path}` }), async (dev) => {
    expect(dev.introduction).toContain(`Store: sqlite:${path}`)
  })
})

test('a port that is taken: another one, and the start says so', async () => {
  const taken = await listenOnLoopback(createServer())
  const port = String(taken.port)
  await during(startDevScene(HOSTED, { PORT: port }), async (dev) => {
    expect(dev.introduction).toContain(`Port ${port} is taken`)
    expect(new URL(dev.urls.service).port).not.toBe(port)
    const { send_as } = await dev.token({ sub: 'alice' })
    expect((await dev.mint(...send_as)).status).toBe(200)
  })
  await taken.close()
})

describe('as a process', () => {
  test('prints whole lines to paste that work, and ends at Ctrl-C', async () => {
    const dev = spawnNode([COMMAND, '--config', configFile(HOSTED)], { PORT: '0' })
    await dev.until(() => /^curl .*token create.*\n/m.exec(dev.stdout())?.[0])
    const [curl = ''] = dev.stdout().match(/^curl .*$/m) ?? []
    const minted = execFileSync('bash', ['-c', curl], { encoding: 'utf8' })
    expect(minted).toMatch(/^\{"client_secret":"ek_/)
    const signIn = /^ {2}(http:\/\/127\.0\.0\.1:\d+) {2}the sign-in/m.exec(dev.stdout())?.[1] ?? ''
    const words = ['token', 'create', '--sub', 'alice', '--claim', 'groups=support']
    const { code, out } = await quickCli([...words, '--sign-in', signIn])
    expect(code).toBe(0)
    const url = /^ {2}(http:\/\/localhost:\d+) {2}the service/m.exec(dev.stdout())?.[1]
    const headers = { authorization: `Bearer ${out.trim()}` }
    const answer = await fetch(`${url}/v1/sessions`, { method: 'POST', headers })
    expect(answer.status).toBe(200)
    await dev.until(() => /^POST \/v1\/sessions 200 support/m.exec(dev.stdout())?.[0])
    dev.child.kill('SIGINT')
    expect(await dev.exited).toEqual({ code: 0, signal: null })
    expect(dev.stderr()).toBe('')
  })
})

describe('invalid options end with 64 and a sentence', () => {
  test.each([
    ['an unknown one', ['--confg', 'x'], '--config'],
    ['an account without claims', ['--account', 'eve'], 'name={'],
    ['claims that are no object', ['--account', 'eve=[1]'], 'name={'],
  ])('%s', (_, words, why) => {
    const exit = vi.spyOn(process, 'exit').mockImplementation((code) => {
      throw new Error(`exit ${code}`)
    })
    const said = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
    expect(() => readOptions(words)).toThrow('exit 64')
    expect(said.mock.calls.join('')).toContain(why)
    exit.mockRestore()
    said.mockRestore()
  })

  test('accounts are read with their claims', () => {
    const words = ['--account', 'eve={"roles":["a"]}', '--account', 'bob={}', '--config', 'x.yaml']
    const account = { eve: { roles: ['a'] }, bob: {} }
    expect(readOptions(words)).toEqual({ config: 'x.yaml', account })
  })
})
