import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { listenOnLoopback } from '../../src/embedded/kit/listen.ts'
import { Secret } from '../../src/lib/secret.ts'
import { script } from '../../src/registry/redis/keys.ts'
import { addressOf, createConnect } from '../../src/registry/redis/link/client.ts'
import { createDiagnosis } from '../../src/registry/redis/link/diagnosis.ts'
import { createLink, type Link } from '../../src/registry/redis/link/link.ts'
import { eventually } from '../support/eventually.ts'
import { recordingLog } from '../support/issuer-settings.ts'
import { freePort } from '../support/network/listen.ts'
import { makeCertificates } from '../support/registry/certificates.ts'
import {
  allowDocumentedUser,
  DOCUMENTED_USER,
  documentedRules,
} from '../support/registry/documented-user.ts'
import { startRedis, type TestRedis, wantsRedis } from '../support/registry/redis.ts'
import { forAllTests, forEachTest } from '../support/started.ts'

const WARN = 40
/** Long enough for several attempts, in milliseconds. */
const A_WHILE_MS = 500

const opened: Link[] = []
afterEach(() => {
  for (const link of opened.splice(0)) link.close()
})

/** A link, and the lines that it logs at the default level. */
function linkTo(url: string, { cluster = false } = {}) {
  const { log, lines, text } = recordingLog()
  const location = { url: new Secret(url), cluster }
  const address = addressOf(location.url)
  const link = createLink({ connect: createConnect(location), address, replicas: 0, log })
  opened.push(link)
  return {
    ...link,
    address,
    lines,
    text,
    causes: () => lines.filter(({ level, cause }) => level === WARN && cause),
    says: (msg: string) => vi.waitFor(() => expect(lines.at(-1)?.['msg']).toBe(msg), 8_000),
  }
}

/** Expects one warning after several attempts, without a secret in it. */
async function expectOneCause(link: ReturnType<typeof linkTo>, msg: RegExp, cause: RegExp) {
  await vi.waitFor(() => expect(link.causes().length).toBeGreaterThan(0), 4_000)
  await sleep(A_WHILE_MS)
  for (let calls = 0; calls < 3; calls++) {
    await expect(link.check()).rejects.toMatchObject({ code: 'store_unavailable' })
  }
  expect(link.causes()).toMatchObject([
    { address: link.address, msg: expect.stringMatching(msg), cause: expect.stringMatching(cause) },
  ])
  expect(link.text()).not.toContain('hush')
}

describe.runIf(wantsRedis())('one warning names the cause when', () => {
  const redis = forEachTest(() => startRedis())
  const url = (user = '', path = '') => `redis://${user}127.0.0.1:${redis.port}${path}`
  const acl = (user: string, ...rules: string[]) =>
    redis.cli('acl', 'setuser', user, 'on', '>hush', ...rules)

  test('nothing listens', async () => {
    await redis.kill()
    await expectOneCause(linkTo(url(':hush@')), /^redis: nothing listens/, /ECONNREFUSED/)
  })

  test('the name is unknown', async () => {
    await expectOneCause(
      linkTo('redis://:hush@redis.invalid'),
      /^redis: its name is unknown/,
      /ENOTFOUND|EAI_AGAIN/,
    )
  })

  test.each(['', 'hush@', ':hush@', 'someone:hush@'])('%j is not let in', async (user) => {
    await redis.cli('config', 'set', 'requirepass', 'another')
    const [msg, cause] = user
      ? [/^redis: wrong user or password/, /WRONGPASS/]
      : [/^redis: it wants a password/, /NOAUTH/]
    await expectOneCause(linkTo(url(user)), msg, cause)
  })

  test('a password is missing, and Redis ends the connection at a long command', async () => {
    await redis.cli('config', 'set', 'requirepass', 'another')
    const link = linkTo(url())
    await link.says('redis: it wants a password')
    // Redis closes a connection that sends more than ten arguments before it has signed in.
    const args = Array.from({ length: 12 }, () => 'x')
    const call = () => link.run(script('return 1'), args, () => undefined)
    await Promise.allSettled([call(), call(), call()])
    await expectOneCause(link, /^redis: it wants a password/, /NOAUTH/)
  })

  test('a password is given and none is set', async () => {
    await expectOneCause(linkTo(url(':hush@')), /^redis: wrong user or password/, /AUTH/)
  })

  test('the database is not there', async () => {
    await expectOneCause(linkTo(url('', '/99')), /^redis: wrong database/, /DB index/)
  })

  test('the primary has become a replica', async () => {
    await redis.cli('replicaof', '127.0.0.1', '1')
    await expectOneCause(linkTo(url()), /^redis: a read-only replica/, /READONLY/)
  })

  test.each([
    ['scripts', ['~{ckm}*', '+set']],
    ['commands in scripts', ['~{ckm}*', '+eval', '+evalsha']],
    ['our keys', ['~other', '+eval', '+evalsha', '+set']],
  ])('the user may not use %s', async (_what, rules) => {
    await acl('mint', ...rules)
    await expectOneCause(
      linkTo(url('mint:hush@')),
      /^redis: this user may not/,
      /NOPERM|can't run|no permissions/,
    )
  })

  test('memory is full', async () => {
    await redis.cli('config', 'set', 'maxmemory', '1')
    await expectOneCause(linkTo(url()), /^redis: out of memory/, /OOM/)
  })

  test('Redis has fewer replicas than its own setting requires', async () => {
    await redis.cli('config', 'set', 'min-replicas-to-write', '1')
    await expectOneCause(linkTo(url()), /^redis: it has too few replicas/, /NOREPLICAS/)
  })

  test('it hangs', async () => {
    redis.freeze()
    await expectOneCause(linkTo(url()), /^redis: it does not answer in time/, /no answer/)
  })

  test('it is not a cluster', async () => {
    await expectOneCause(linkTo(url(), { cluster: true }), /^redis: no cluster/, /cluster support/)
  })

  test('its port does not speak TLS', async () => {
    const link = linkTo(`rediss://:hush@127.0.0.1:${redis.port}`)
    await expectOneCause(link, /^redis: it does not answer in time/, /wants redis:/)
  })
})

describe.runIf(wantsRedis())('with TLS, one warning names the cause when', () => {
  const start = async (name?: string) => {
    const port = await freePort()
    const redis = await startRedis(makeCertificates(name).options(port))
    return { ...redis, port }
  }

  test('the authority is unknown', async () => {
    const { port, close } = await start()
    const link = linkTo(`rediss://:hush@127.0.0.1:${port}`)
    await expectOneCause(link, /^redis: its certificate is by an unknown auth.*NODE_EXTRA/, /SELF_/)
    await close()
  })

  test.each(['TLSv1.2', 'TLSv1.3'])('it wants a client certificate, with %s', async (version) => {
    const port = await freePort()
    const wants = ['--tls-auth-clients', 'yes', '--tls-protocols', version]
    const { options, authority } = makeCertificates()
    const known = getCACertificates('default')
    setDefaultCACertificates([...known, readFileSync(authority, 'utf8')])
    onTestFinished(() => setDefaultCACertificates(known))
    const redis = await startRedis([...options(port), ...wants])
    const link = linkTo(`rediss://:hush@127.0.0.1:${port}`)
    await expectOneCause(link, /^redis: it refuses the TLS handshake/, /ALERT/)
    await redis.close()
  })

  test('the connection is made without TLS', async () => {
    const { port, close } = await start()
    const link = linkTo(`redis://:hush@127.0.0.1:${port}`)
    await expectOneCause(link, /^redis: it ends the connection; .* rediss/, /ECONNRESET|closed/)
    await close()
  })
})

/** @param answer - to a command, in the protocol of Redis; undefined: none */
async function serverThatAnswers(answer: (command: string) => string | undefined) {
  let connections = 0
  const server = createServer((socket) => {
    connections++
    socket.on('error', () => {})
    socket.on('data', (chunk) => {
      const answers = String(chunk).split(/^\*/m).slice(1).map(answer)
      socket.write(answers.flatMap((one) => (one === undefined ? [] : `${one}\r\n`)).join(''))
    })
  })
  onTestFinished(() => void server.close())
  const { port } = await listenOnLoopback(server)
  return { url: `redis://127.0.0.1:${port}`, connections: () => connections }
}

test('a node of a cluster that hangs when it has let us in is named as a cause, and is asked again', async () => {
  const { url, connections } = await serverThatAnswers((command) =>
    command.includes('CLUSTER') ? undefined : '+OK',
  )
  const link = linkTo(url, { cluster: true })
  await expectOneCause(link, /^redis: it does not answer in time/, /no answer within 1000 ms/)
  await expect.poll(connections).toBeGreaterThan(2)
})

describe('the warning names the cause when Redis answers a command with', () => {
  test.each([
    ['LOADING Redis is loading the dataset in memory', /still loading/],
    ['MISCONF Redis is configured to save RDB snapshots', /cannot write to its disk/],
    ['BUSY Redis is busy running a script', /a script holds it up/],
    ['MOVED 10464 10.0.0.1:6379', /another node has our keys; with .cluster=true it is found/],
    ['CLUSTERDOWN Hash slot not served', /the cluster does not serve/],
    ["MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.", /replica/],
    ["ERR unknown command 'EVALSHA', with args beginning with: 'hush'", /lacks a command/],
    ["ERR unknown command 'EVALSHA'", /a Sentinel has none: lead the address to the primary/],
    ["ERR unknown command 'evalsha'", /it lacks a command that runs scripts/],
    ["ERR unknown command 'CLUSTER'", /no cluster; leave out .cluster=true/],
    ['ERR Unknown Redis command called from script', /lacks a command/],
    ['ERR Unknown command called from script', /lacks a command/],
    ["ERR ACL failure in script: User u has no permissions to run the 'zadd' command", /deploy.md/],
    ['ERR ACL failure in script: No permissions to access a key', /deploy.md/],
    ['ERR max number of clients reached', /no more clients/],
  ])('%s', (error, msg) => {
    const { log, lines, text } = recordingLog()
    createDiagnosis({ address: 'redis:6379', replicas: 0, log }).saw(new Error(error))
    expect(lines).toMatchObject([
      { msg: expect.stringMatching(msg), cause: expect.stringMatching(/^[A-Z]+/) },
    ])
    expect(text()).not.toContain('hush')
  })
})

describe.runIf(wantsRedis())('when the cause changes', () => {
  const redis: TestRedis = forEachTest(() => startRedis())

  test('each cause is logged once, and also that Redis answers again', async () => {
    const documented = documentedRules.filter((rule) => !rule.startsWith('>'))
    await redis.cli('acl', 'setuser', 'mint', '>hush', ...documented)
    await redis.kill()
    const link = linkTo(`redis://:hush@127.0.0.1:${redis.port}`)
    await link.says('redis: nothing listens at this address')
    await redis.restart()
    await link.says('redis: wrong user or password')
    await redis.cli('config', 'set', 'maxmemory', '1')
    await redis.cli('config', 'set', 'requirepass', 'hush')
    await link.says('redis: out of memory')
    await redis.kill()
    await redis.restart()
    await redis.cli('config', 'set', 'requirepass', 'hush')
    await link.says('redis answers again')
    const said = link.causes().map(({ msg }) => msg)
    expect(new Set(said).size).toBe(said.length)
    await link.check()
  })

  test('a second outage is logged like the first', async () => {
    const link = linkTo(redis.url)
    for (let outage = 1; outage <= 2; outage++) {
      await eventually(() => link.check())
      await redis.kill()
      await link.says('redis: nothing listens at this address')
      await redis.restart()
      await link.says('redis answers again')
      const causes = link.causes().filter(({ msg }) => /nothing listens/.test(String(msg)))
      expect(causes).toHaveLength(outage)
    }
  })

  test('that Redis has lost its data is logged once, and not after an outage that it survived', async () => {
    const link = linkTo(redis.url)
    const lost = () => link.lines.filter(({ msg }) => /^redis has lost its data/.test(String(msg)))
    await eventually(() => link.check())
    const before = await redis.cli('get', '{ckm}:data')
    await redis.cli('client', 'kill', 'type', 'normal', 'skipme', 'yes')
    await eventually(() => link.check())
    expect(lost()).toEqual([])
    expect(await redis.cli('get', '{ckm}:data')).toBe(before)
    await redis.kill()
    await redis.restart()
    await eventually(() => link.check())
    await link.check()
    expect(lost()).toMatchObject([{ level: WARN, address: link.address }])
    await redis.cli('flushall')
    await link.check()
    expect(lost()).toHaveLength(2)
  })
})

describe.runIf(wantsRedis())('how durable Redis is', () => {
  const redis = forEachTest(() => startRedis())
  const messages = ({ lines }: ReturnType<typeof linkTo>) =>
    lines.map(({ level, msg, ...rest }) => ({ level, msg: String(msg), rest }))

  test('is logged at the start, and not again after a reconnect', async () => {
    await redis.cli('config', 'set', 'maxmemory-policy', 'allkeys-lru')
    const link = linkTo(redis.url)
    await eventually(() => link.check())
    expect(messages(link)).toMatchObject([
      { level: 30, msg: 'redis: the primary has 0 replicas', rest: {} },
      { level: WARN, msg: expect.stringContaining('no append-only file') },
      {
        level: WARN,
        msg: expect.stringContaining('may evict keys'),
        rest: { policy: 'allkeys-lru' },
      },
    ])
    await redis.cli('client', 'kill', 'type', 'normal')
    await eventually(() => link.check())
    await sleep(500)
    expect(messages(link).filter(({ msg }) => /append-only|evict/.test(msg))).toHaveLength(2)
  })

  test('is logged with a clock that is far from ours', async () => {
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() - 30_000 })
    onTestFinished(() => void vi.useRealTimers())
    const link = linkTo(redis.url)
    await eventually(() => link.check())
    const found = () => messages(link).find(({ msg }) => /clock/.test(msg))
    await expect.poll(found).toMatchObject({ level: WARN, rest: { clock_seconds: 30 } })
  })

  test('is logged as unknown when INFO and WAIT are forbidden, and nothing fails', async () => {
    await allowDocumentedUser(redis)
    await redis.cli('acl', 'setuser', 'chatkit-mint', '-info', '-wait')
    const link = linkTo(`redis://${DOCUMENTED_USER}@127.0.0.1:${redis.port}`)
    await eventually(() => link.check())
    await sleep(A_WHILE_MS)
    expect(messages(link)).toMatchObject([
      {
        level: WARN,
        msg: 'redis does not say how durable it is',
        rest: { unknown: ['append-only file', 'maxmemory-policy', 'replicas'] },
      },
    ])
  })
})

test('another cause is logged at once, and the end of a connection only when no cause came right before it', () => {
  vi.useFakeTimers({ toFake: ['performance'] })
  onTestFinished(() => void vi.useRealTimers())
  const { log, lines } = recordingLog()
  const diagnosis = createDiagnosis({ address: 'redis:6379', replicas: 0, log })
  const after = (ms: number, cause: string) => {
    vi.advanceTimersByTime(ms)
    diagnosis.saw(new Error(cause))
    return lines.splice(0).map(({ msg }) => msg)
  }
  expect(after(0, 'LOADING Redis is loading')).toEqual([expect.stringMatching(/still loading/)])
  expect(after(0, 'read ECONNRESET')).toEqual([])
  expect(after(0, 'OOM command not allowed')).toEqual([expect.stringMatching(/out of memory/)])
  expect(after(1999, 'read ECONNRESET')).toEqual([])
  expect(after(1, 'read ECONNRESET')).toEqual([expect.stringMatching(/ends the connection/)])
  // A cause that goes on is logged once, however long it goes on.
  expect(after(31_000, 'read ECONNRESET')).toEqual([])
})

describe.runIf(wantsRedis())('a Redis user who lacks one command', () => {
  const redis = forAllTests(() => startRedis())
  const commands = documentedRules.filter((rule) => rule.startsWith('+'))

  test.each(commands.filter((rule) => !['+info', '+wait'].includes(rule)))(
    '%s: is seen at the start, before a script stops there',
    async (rule) => {
      await allowDocumentedUser(redis)
      await redis.cli('acl', 'setuser', 'chatkit-mint', rule.replace('+', '-'))
      const link = linkTo(redis.url.replace('://', `://${DOCUMENTED_USER}@`))
      await vi.waitFor(() => expect(link.causes()).toHaveLength(1), 4_000)
      expect(link.causes()[0]?.msg).toMatch(/may not run a command/)
      await expect(link.check()).rejects.toMatchObject({ code: 'store_unavailable' })
    },
  )

  test('none of those documented: is ready, and nothing of the probe stays', async () => {
    await redis.cli('flushall')
    await allowDocumentedUser(redis)
    const link = linkTo(redis.url.replace('://', `://${DOCUMENTED_USER}@`))
    await vi.waitFor(() => link.check(), 4_000)
    expect((await redis.keys('*')).toSorted()).toEqual(['{ckm}:data', '{ckm}:health'])
  })
})
