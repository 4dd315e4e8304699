import { type SpawnSyncReturns, spawnSync } from 'node:child_process'
import { createServer, type Server } from 'node:net'
import { decodeJwt } from 'jose'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { type Spawned, spawnNode } from '../../support/service-process.ts'
import { SAY_WHEN_CONNECTING, SAY_WHEN_LISTENING, withoutPackages } from '../../support/spies.ts'

const COMMAND = 'src/commands/demo/demo.ts'
const LAST_LINE = /^curl .*\/readyz\n/m

const processes: Spawned[] = []
afterAll(() => {
  for (const { child } of processes) child.kill('SIGKILL')
})

interface Spawning {
  readonly nodeArguments?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

function spawnDemo({ nodeArguments = [], env = {} }: Spawning = {}): Spawned {
  const demo = spawnNode([...nodeArguments, COMMAND], { PORT: '0', ...env })
  processes.push(demo)
  return demo
}

async function startDemo(options: Spawning = {}): Promise<Spawned> {
  const demo = spawnDemo(options)
  await demo.until(() => (LAST_LINE.test(demo.stdout()) ? true : undefined))
  return demo
}

async function end(demo: Spawned, signal: NodeJS.Signals = 'SIGINT') {
  demo.child.kill(signal)
  return await demo.exited
}

function curlLines(demo: Spawned): string[] {
  return demo
    .stdout()
    .split('\n')
    .filter((line) => line.startsWith('curl '))
}

function urlsOf(demo: Spawned): string[] {
  return [...demo.stdout().matchAll(/^ {2}(http:\/\/\S+) {2}/gm)].map(([, url]) => url ?? '')
}

/** The workflow and the user of a whole answer to a mint; a hosted client secret is no JWT and throws. */
function selfHostedSession(answer = '') {
  const [, secret = ''] = /^\{"client_secret":"([\w.-]+)"\}$/.exec(answer) ?? []
  const { aud, sub } = decodeJwt(secret)
  return { workflow: String(aud).replace('chatkit:', ''), user: sub }
}

let demo: Spawned
beforeAll(async () => {
  const spies = [SAY_WHEN_LISTENING, SAY_WHEN_CONNECTING].flatMap((spy) => ['--import', spy])
  demo = await startDemo({ nodeArguments: spies, env: { FORCE_COLOR: '3' } })
})

describe('what it prints', () => {
  test('has the answer to the first mint alone on its line, as it was received', () => {
    const answers = demo
      .stdout()
      .split('\n')
      .filter((line) => line.includes('client_secret"'))
    expect(answers).toHaveLength(1)
    expect(selfHostedSession(answers[0])).toEqual({ workflow: 'support', user: 'alice' })
  })

  test('has self-hosted workflows first, and the hosted one after them, with the day it ends', () => {
    const printed = demo.stdout()
    const hosted = printed.indexOf('{"workflow":"general"}')
    expect(hosted).toBeGreaterThan(printed.lastIndexOf('/chatkit/helpdesk'))
    expect(printed.slice(0, hosted)).toMatch(
      /hosted workflow, which OpenAI runs until 2026-11-30:\ncurl .*$/,
    )
    const servers = Array.from(printed.matchAll(/ {2}the (ChatKit \w+): .*/g))
    expect(servers.map(([, name]) => name)).toEqual(['ChatKit server', 'ChatKit API'])
    expect(servers[1]?.[0]).toContain('hosted workflows until 2026-11-30')
  })

  test('has no colour where there is no terminal, whatever the environment wants', () => {
    expect(demo.stdout()).toMatch(/^[\n\x20-\x7e]+$/)
  })

  test('has one sentence for each of the four servers, and says how to end the demo', () => {
    const sentences = demo.stdout().match(/^ {2}http:\/\/\S+ {2}the .+\.$/gm)
    expect(sentences).toHaveLength(4)
    expect(demo.stdout()).toContain('Ctrl-C')
  })

  test('has addresses that answer', async () => {
    const [service, signIn, server, chatkit] = urlsOf(demo)
    const paths = [
      `${service}/livez`,
      `${signIn}/.well-known/openid-configuration`,
      `${server}/chatkit`,
      `${chatkit}/_embedded/requests`,
    ]
    const answers = await Promise.all(paths.map((url) => fetch(url)))
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 405, 200])
  })

  test('has whole lines to paste, with tokens good for hours, and the first one mints', () => {
    const lines = curlLines(demo)
    const [service] = urlsOf(demo)
    expect(lines[0]).toMatch(
      /^curl -sS -X POST http:\/\/localhost:\d+\/v1\/sessions -H 'Authorization: Bearer [\w-]+\.[\w-]+\.[\w-]+'$/,
    )
    expect(lines[0]).toContain(`${service}/v1/sessions`)
    const tokens = lines.flatMap((line) => /Bearer ([\w.-]+)'/.exec(line)?.[1] ?? [])
    expect(tokens.length).toBeGreaterThanOrEqual(5)
    const claims = tokens.map((token) => decodeJwt(token))
    expect(new Set(claims.map(({ sub }) => sub))).toEqual(new Set(['alice', 'bob', 'ada']))
    for (const { exp = 0 } of claims) expect(exp - Date.now() / 1000).toBeGreaterThan(6 * 3600)
  })

  test('shows on standard error that the demo listens and connects on loopback only', () => {
    const lines = demo.stderr().trimEnd().split('\n')
    // One for each of the four servers, and one for the search for a free port.
    expect(lines.filter((line) => line === 'listens on 127.0.0.1')).toHaveLength(5)
    expect(lines.filter((line) => line.startsWith('connects to ')).length).toBeGreaterThan(3)
    const loopback = /^(?:listens on 127\.0\.0\.1|connects to (?:127\.0\.0\.1|localhost|::1))$/
    expect(lines.filter((line) => !loopback.test(line))).toEqual([])
  })
})

const curl = spawnSync('curl', ['--version']).error === undefined || process.env['CI'] === 'true'

describe.runIf(curl)('the lines, pasted into a shell (needs curl)', () => {
  let pasted: { readonly line: string; readonly answer: string }[]
  beforeAll(async () => {
    const runs = curlLines(demo).map((line) => {
      const run: SpawnSyncReturns<string> = spawnSync('sh', ['-c', line], { encoding: 'utf8' })
      return { line, run }
    })
    expect(runs.map(({ run: { status, stderr } }) => ({ status, stderr }))).toEqual(
      runs.map(() => ({ status: 0, stderr: '' })),
    )
    pasted = runs.map(({ line, run }) => ({ line, answer: run.stdout }))
  })

  /** The answers to the lines that have all of these in them. */
  const answersTo = (...parts: readonly string[]): string[] =>
    pasted.filter(({ line }) => parts.every((part) => line.includes(part))).map((one) => one.answer)

  test('the first mints another session than the one shown', () => {
    const first = pasted[0]?.answer ?? ''
    expect(selfHostedSession(first)).toEqual({ workflow: 'support', user: 'alice' })
    expect(demo.stdout()).not.toContain(first)
  })

  test('one mint is refused, and all others give secrets of their own', () => {
    const mints = pasted
      .filter(({ line }) => line.startsWith('curl -sS -X POST') && line.includes('/v1/sessions '))
      .map(({ answer }) => JSON.parse(answer))
    const refused = mints.filter((answer) => answer.client_secret === undefined)
    expect(refused).toMatchObject([{ status: 403, code: 'workflow_not_allowed' }])
    const secrets = mints.flatMap((answer) => answer.client_secret ?? [])
    expect(secrets.length).toBeGreaterThanOrEqual(4)
    expect(new Set(secrets).size).toBe(secrets.length)
  })

  test('the admin sees sessions and audit, revokes alice’s sessions and lifts the block', () => {
    const [revoked = ''] = answersTo('/v1/admin/users/alice/revoke')
    const { user, cancelled, blocked_until: until } = JSON.parse(revoked)
    expect(user).toBe('alice')
    expect(cancelled.length).toBeGreaterThanOrEqual(4)
    expect(until).toBeGreaterThan(Date.now() / 1000)
    const [sessions = ''] = answersTo('/v1/admin/sessions')
    const seen = JSON.parse(sessions).data.map((one: { user: string; status: string }) => one)
    expect(seen).toContainEqual(expect.objectContaining({ user: 'alice', status: 'cancelled' }))
    expect(seen).toContainEqual(expect.objectContaining({ user: 'bob', status: 'active' }))
    const [audit = ''] = answersTo('/v1/admin/audit')
    const actions = JSON.parse(audit).data.map((one: { action: string }) => one.action)
    expect(actions).toEqual(expect.arrayContaining(['mint', 'revoke', 'admin_read']))
    expect(answersTo('-X DELETE', '/v1/admin/users/alice/block')).toEqual([''])
  })

  test('the self-hosted workflow streams its answer, and shows bob nothing of alice', () => {
    const [stream = ''] = answersTo('/chatkit/helpdesk', 'threads.create')
    const events = Array.from(stream.matchAll(/^data: (.*)$/gm), ([, json = '']) =>
      JSON.parse(json),
    )
    expect(events[0]).toMatchObject({ type: 'thread.created' })
    expect(events.map(({ type }) => type)).toContain('thread.item.updated')
    const done = events.filter(({ type, item }) => {
      return type === 'thread.item.done' && item.type === 'assistant_message'
    })
    expect(JSON.stringify(done)).toContain('Where is my parcel?')
    const [threads = ''] = answersTo('/chatkit/helpdesk', 'threads.list')
    expect(JSON.parse(threads)).toEqual({ data: [], has_more: false, after: null })
  })

  test('a line finds the service ready', () => {
    expect(answersTo('/readyz')).toEqual([expect.stringMatching(/^HTTP\/1\.1 200 OK/)])
  })

  test('bob’s default is another workflow than alice’s, and a page may be said for it', () => {
    const sessionsOf = (line: RegExp) =>
      pasted.filter((one) => line.test(one.line)).map(({ answer }) => selfHostedSession(answer))
    const defaults = sessionsOf(/^curl -sS -X POST \S+\/v1\/sessions -H '[^']+'$/)
    expect(defaults).toEqual([
      { workflow: 'support', user: 'alice' },
      { workflow: 'helpdesk', user: 'bob' },
    ])
    const withPage = sessionsOf(/ -d '\{"input":\{"page":"\/invoices"\}\}'$/)
    expect(withPage).toEqual([{ workflow: 'support', user: 'alice' }])
  })

  test('what the API was sent shows the hosted sessions alone, with choice and input at work', () => {
    const [requests = ''] = answersTo('/_embedded/requests')
    const { data } = JSON.parse(requests) as { data: { path: string; body: object }[] }
    const sent = (user: string, variables: object) => ({
      user,
      workflow: { id: 'wf_demo_general', state_variables: variables, tracing: { enabled: false } },
      rate_limits: { max_requests_per_1_minute: 30 },
    })
    const creates = data.filter(({ path }) => path.endsWith('/sessions'))
    expect(creates.map(({ body }) => body)).toEqual([
      sent('alice', { plan: 'pro', page: '' }),
      sent('bob', { plan: 'free', page: '/prices' }),
    ])
  })

  test('the demo shows a short line for each request, without secrets', async () => {
    const lines = await demo.until(() => {
      const found = demo.stdout().match(/^(?:GET|POST|DELETE) \/.*$/gm)
      return found !== null && found.length >= 7 ? found : undefined
    })
    expect(lines).toContainEqual(
      expect.stringMatching(/^POST \/v1\/sessions 200 support \(\d+ ms\)$/),
    )
    expect(lines).toContainEqual(
      expect.stringMatching(/^POST \/v1\/sessions 403 workflow_not_allowed: .+ \(\d+ ms\)$/),
    )
    expect(lines.join()).not.toMatch(/ek_|eyJ|sk-/)
  })
})

describe('how it ends', () => {
  test('two demos run side by side until SIGINT and SIGTERM end them with 0', async () => {
    const demos = await Promise.all([1, 2].map(() => startDemo({ env: { PORT: '8787' } })))
    const urls = demos.flatMap(urlsOf)
    expect(new Set(urls).size).toBe(8)
    for (const url of urls) expect((await fetch(url)).status).toBeLessThan(500)
    const signals = ['SIGINT', 'SIGTERM'] as const
    const ends = await Promise.all(demos.map((one, at) => end(one, signals[at])))
    expect(ends).toEqual(signals.map(() => ({ code: 0, signal: null })))
    expect(demos.map((one) => one.stderr())).toEqual(['', ''])
  })

  test('an invalid PORT ends it with 78', async () => {
    const demo = spawnDemo({ env: { PORT: 'http' } })
    expect(await demo.exited).toMatchObject({ code: 78 })
    expect(demo.stderr()).toMatch(/^demo: PORT: must be a port, 0 to 65535\n$/)
  })

  test('a machine that does not know localhost ends it with 70, and it says so', async () => {
    const script =
      `import dns from 'node:dns'; const { lookup } = dns; dns.lookup = (name, ...rest) => ` +
      `lookup(name === 'localhost' ? 'nowhere.invalid' : name, ...rest)`
    const preload = `data:text/javascript,${encodeURIComponent(script)}`
    const demo = spawnDemo({ nodeArguments: ['--import', preload] })
    expect(await demo.exited).toMatchObject({ code: 70 })
    expect(demo.stderr()).toMatch(/^demo: fetch failed: getaddrinfo \w+ nowhere\.invalid\n$/)
  })

  test('missing development dependencies end it with 69, and it says what to do', async () => {
    const demo = spawnDemo({ nodeArguments: ['--import', withoutPackages(/^oidc-provider/)] })
    expect(await demo.exited).toMatchObject({ code: 69 })
    expect(demo.stderr()).toMatch(/^demo: .*run "npm ci" first\n$/)
    expect(demo.stdout()).toBe('')
  })
})

describe('when the usual ports are taken', () => {
  const servers: Server[] = []
  afterEach(() => {
    for (const server of servers.splice(0)) server.close()
  })

  /** The port is taken afterwards, by this test or by another process. */
  async function take(port: number, host: string): Promise<void> {
    const server = createServer((socket) => socket.destroy())
    await new Promise<void>((resolve) => {
      server.once('error', () => resolve())
      server.listen(port, host, resolve)
    })
    servers.push(server)
  }

  test('at every address, free ones are found', async () => {
    for (const port of [8787, 8788, 8789, 8790]) await take(port, '0.0.0.0')
    const demo = await startDemo({ env: { PORT: '8787' } })
    const ports = urlsOf(demo).map((url) => new URL(url).port)
    expect(ports).toHaveLength(4)
    for (const port of ['8787', '8788', '8789', '8790']) expect(ports).not.toContain(port)
    expect(demo.stdout()).toContain('\nPort 8787 is taken, so the service is at another;')
    expect(demo.stdout()).toContain('"client_secret":"eyJ')
    await end(demo)
  })
})
