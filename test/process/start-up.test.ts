import { existsSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { listenOnLoopback } from '../../src/embedded/kit/listen.ts'
import { VERSION } from '../../src/lib/version.ts'
import { makeCertificates } from '../support/registry/certificates.ts'
import { DEFAULT_CONFIG } from '../support/running-service.ts'
import { scratchFolder } from '../support/scratch-folder.ts'
import {
  type ProcessOptions,
  runToEnd,
  spawnNode,
  spawnService,
  startServiceProcess,
} from '../support/service-process.ts'
import { SAY_IF_NODE_BROUGHT_UNDICI, SAY_WHEN_LISTENING } from '../support/spies.ts'
import { forAllTests, forEachTest } from '../support/started.ts'

const KEY = 'sk-proj-planted-key-0123456789abcdef'
const SECRET = 'a shared secret of at least thirty-two bytes'
const ENV = { OPENAI_API_KEY: KEY, TEST_SHARED_SECRET: SECRET }

const nodeArguments = ['--import', SAY_WHEN_LISTENING]

let directory: string
beforeEach(() => {
  directory = scratchFolder()
})

/** As `npm start` does. A start that is refused comes from the bundle, which takes half the CPU. */
const from = 'checkout'

const start = (options: ProcessOptions) => startServiceProcess({ from, ...options })

function file(name: string, content: string | Uint8Array): string {
  const path = join(directory, name)
  writeFileSync(path, content)
  return path
}

/** A refused start: 78, nothing on standard output, no port, no secret. */
async function refused(options: ProcessOptions): Promise<string> {
  const ended = await runToEnd({ nodeArguments, ...options })
  expect(ended).toMatchObject({ code: 78, stdout: '' })
  expect(ended.stderr).not.toContain('listens on')
  expect(ended.stderr).not.toMatch(/\n\s+at /)
  for (const secret of [KEY, SECRET]) expect(ended.stderr).not.toContain(secret)
  return ended.stderr
}

describe('a good start', () => {
  const service = forAllTests(() => start({ config: DEFAULT_CONFIG, env: ENV, nodeArguments }))

  test('SIGUSR1 opens no inspector, and the service goes on', async () => {
    for (let n = 0; n < 3; n++) service.child.kill('SIGUSR1')
    // Two answers later the signals have long been handled.
    for (let n = 0; n < 2; n++) expect((await fetch(`${service.url}/livez`)).status).toBe(200)
    expect(service.stderr()).not.toMatch(/Debugger|inspector/i)
  })

  test('says on one line of JSON that it listens, and where', async () => {
    const addresses = service.stderr().trimEnd().split('\n')
    expect(new Set(addresses)).toEqual(new Set(['listens on 127.0.0.1']))
    const lines = service.stdout().trimEnd().split('\n')
    expect(service.log()).toHaveLength(lines.length)
    const listening = service.log().filter(({ msg }) => msg === 'listening')
    expect(listening).toEqual([
      expect.objectContaining({ url: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/) }),
    ])
    expect((await fetch(`${service.url}/livez`)).status).toBe(200)
    expect((await fetch(`${service.url}/readyz`)).status).toBe(200)
  })

  test('on a terminal the log is text; LOG_FORMAT and LOG_LEVEL say otherwise', async () => {
    const onTerminal = ['--import', 'data:text/javascript,process.stdout.isTTY = true']
    const text = spawnService({ from, config: DEFAULT_CONFIG, env: ENV, nodeArguments: onTerminal })
    await text.until(() => /INFO {2}listening url=http:/.exec(text.stdout()))
    text.child.kill('SIGKILL')
    await text.exited
    rmSync(text.directory, { recursive: true })
    expect(text.log()).toEqual([])
    const env = { ...ENV, LOG_FORMAT: 'JSON', LOG_LEVEL: 'Info' }
    const json = await start({ config: DEFAULT_CONFIG, env, nodeArguments: onTerminal })
    expect(json.log().length).toBeGreaterThan(1)
  })

  test('the log has the version of the service', () => {
    expect(service.log().find(({ msg }) => msg === 'starting')).toMatchObject({ version: VERSION })
  })

  test('the log shows the last four characters of the key', () => {
    expect(service.log().find(({ msg }) => msg === 'starting')).toMatchObject({
      api_keys: { OPENAI_API_KEY: '…cdef' },
    })
    expect(service.stdout()).not.toContain(KEY.slice(0, -4))
  })
})

describe('NODE_EXTRA_CA_CERTS', () => {
  const said = /NODE_EXTRA_CA_CERTS: no certificate could be read from/

  test('that Node cannot read is a warning at the start, and a fault for the doctor', async () => {
    const env = { ...ENV, NODE_EXTRA_CA_CERTS: file('none.pem', 'no certificate') }
    const { log } = await start({ config: DEFAULT_CONFIG, env })
    expect(log()).toContainEqual(
      expect.objectContaining({ level: 40, msg: expect.stringMatching(said) }),
    )
    const config = file('config.yaml', DEFAULT_CONFIG)
    const doctor = spawnNode(['src/commands/chatkit-mint.js', 'doctor', '--config', config], {
      ...env,
      STORE_URL: 'memory:',
    })
    await doctor.exited
    expect(doctor.stdout()).toMatch(/^WRONG authorities: NODE_EXTRA_CA_CERTS: no certificate/m)
  })

  test('that Node can read is none', async () => {
    const { authority } = makeCertificates()
    const env = { ...ENV, NODE_EXTRA_CA_CERTS: authority }
    const { log } = await start({ config: DEFAULT_CONFIG, env })
    expect(JSON.stringify(log())).not.toMatch(said)
  })
})

test.each(['checkout', 'bundle'] as const)(
  'a start from a %s loads one undici, and not that of Node too',
  async (from) => {
    const nodeArguments = ['--import', SAY_IF_NODE_BROUGHT_UNDICI]
    const { code, stderr } = await runToEnd({ from, nodeArguments, config: '' })
    expect(code).toBe(78)
    expect(stderr).not.toContain('loaded the undici of Node')
  },
)

// The process has undici's own classes, which nothing else tests.
test.each(['checkout', 'bundle'] as const)(
  'the service started from the %s reads a body whose length nobody declared',
  async (from) => {
    const service = await start({ from, config: DEFAULT_CONFIG, env: ENV })
    const body = new Blob(['logout_token=none']).stream()
    const headers = { 'Content-Type': 'application/x-www-form-urlencoded' }
    const request: RequestInit = { method: 'POST', headers, body, duplex: 'half' }
    const answer = await fetch(`${service.url}/v1/backchannel-logout`, request)
    expect(await answer.json()).toMatchObject({ status: 400, code: 'invalid_request' })
  },
)

describe('a bad config ends with 78 before a port opens', () => {
  const BAD = `
issuers:
  - issuer: https://issuer.test
    audience: []
    algorithms: [none]
    jwks_uri: https://issuer.test/jwks.json
user: claims.sub
workflows:
  support:
    id: wf_support
    colour: red
    when: '"support" in'
    expires_after: { seconds: 601 }
cors: { origins: ['*'] }
`

  test('all errors at once, each as file:line: key: what is wrong', async () => {
    const lines = (await refused({ config: BAD, env: ENV })).trimEnd().split('\n')
    const found = lines.map((line) => /^.*config\.yaml:(\d+): ([\w.[\]]+): .{10,}$/.exec(line))
    expect(found.map((match) => match?.slice(1))).toEqual([
      ['4', 'issuers[0].audience'],
      ['5', 'issuers[0].algorithms[0]'],
      ['11', 'workflows.support.colour'],
      ['12', 'workflows.support.when'],
      ['13', 'workflows.support.expires_after.seconds'],
      ['14', 'cors.origins[0]'],
    ])
  })

  test('a key set in the file that cannot be used', async () => {
    const config = DEFAULT_CONFIG.replace('[HS256]', '[RS256]').replace(
      'secret_env: TEST_SHARED_SECRET',
      'jwks: { keys: [{ kty: RSA, kid: a, n: AQAB, e: AQ }] }',
    )
    const ended = await runToEnd({ config, env: ENV, nodeArguments })
    expect(ended.code).toBe(78)
    expect(ended.stderr).toMatch(/jwks: .*RSA/)
    expect(ended.stderr).not.toContain('listens on')
    expect(ended.stdout).not.toContain('crash')
  })

  test('a signing key that cannot be used, together with what else is wrong', async () => {
    const env = { ...ENV, PORT: 'x', SIGNING_KEY_FILE: file('keys.json', '{"keys":[]}') }
    expect((await refused({ config: DEFAULT_CONFIG, env })).trimEnd().split('\n')).toEqual([
      'PORT: must be a port, 0 to 65535',
      expect.stringMatching(/^SIGNING_KEY_FILE: not a private JWK set/),
    ])
  })
})

describe('a bad environment ends with 78 before a port opens', () => {
  test('all variables at once', async () => {
    const env = {
      ...ENV,
      PORT: '99999',
      LOG_LEVEL: 'loud',
      OPENAI_BASE_URL: 'http://api.openai.com/v1',
      STORE_URL: 'mysql://db',
      PUBLIC_URL: 'chat.example',
    }
    const said = await refused({ config: DEFAULT_CONFIG, env })
    const names = said
      .trimEnd()
      .split('\n')
      .map((line) => line.split(':')[0])
    expect(names).toEqual(['PORT', 'PUBLIC_URL', 'STORE_URL', 'OPENAI_BASE_URL', 'LOG_LEVEL'])
  })
})

describe('a store that cannot be used ends with 74', () => {
  // sqlite-file.test.ts has the other files that are refused.
  const cases: [string, () => string][] = [
    ['corrupt', () => file('corrupt.db', `SQLite format 3\0${'garbage'.repeat(2000)}`)],
    ['where nobody may write', () => '/proc/chatkit-mint.db'],
  ]

  test.each(cases)('%s', async (_what, path) => {
    const env = { ...ENV, STORE_URL: `sqlite:${path()}` }
    const ended = await runToEnd({ config: DEFAULT_CONFIG, env, nodeArguments })
    expect(ended.code).toBe(74)
    expect(ended.stderr).toMatch(/^STORE_URL: .*cannot be used: /)
    expect(ended.stderr).not.toContain('listens on')
    expect(ended.stderr).not.toMatch(/\n\s+at /)
    expect(ended.stdout).not.toContain('"listening"')
  })

  test('while one that is not there yet is made', async () => {
    const path = join(directory, 'deep', 'mint.db')
    await start({ config: DEFAULT_CONFIG, env: { ...ENV, STORE_URL: `sqlite:${path}` } })
    expect(existsSync(path)).toBe(true)
  })
})

describe('a port that is taken', () => {
  // Reads to the end of each connection, or it would stay open.
  const taken = forEachTest(() => listenOnLoopback(createServer((socket) => socket.resume())))

  test('ends with 69 and says what to do', async () => {
    const port = String(taken.port)
    const ended = await runToEnd({ config: DEFAULT_CONFIG, env: { ...ENV, PORT: port } })
    expect(ended.code).toBe(69)
    expect(ended.stderr).toMatch(/cannot listen on 127\.0\.0\.1:\d+ \(EADDRINUSE\); .*set PORT/)
    expect(ended.stdout).not.toContain('"listening"')
  })

  test('says nothing after that sentence, also while the keys of an issuer are being fetched', async () => {
    const port = String(taken.port)
    const config = `
issuers:
  - issuer: https://silent.test
    audience: [chat-api]
    algorithms: [RS256]
    jwks_uri: http://127.0.0.1:${port}/jwks.json
user: claims.sub
workflows:
  support: { id: wf_support }
`
    const PUBLIC_URL = 'http://localhost:1'
    const ended = await runToEnd({ config, env: { ...ENV, PORT: port, PUBLIC_URL } })
    expect(ended.code).toBe(69)
    expect(ended.stdout).toContain(`PUBLIC_URL names port 1, this process listens on ${port}; set`)
    expect(ended.stdout).not.toMatch(/destroyed|idp_unavailable/)
    expect(ended.stderr.trimEnd().split('\n')).toHaveLength(1)
  })
})

// Process 1 of a container would not notice a signal for which it has no listener.
test('a signal during the start ends the process with 0', async () => {
  const starting = spawnService({ from, config: DEFAULT_CONFIG, env: ENV })
  await starting.until(() => starting.log().find(({ msg }) => msg === 'starting'))
  starting.child.kill('SIGTERM')
  expect(await starting.exited).toEqual({ code: 0, signal: null })
  rmSync(starting.directory, { recursive: true, force: true })
})
