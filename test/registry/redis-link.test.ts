import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { createLog } from '../../src/lib/log.ts'
import { script } from '../../src/registry/redis/keys.ts'
import type { RedisConnection } from '../../src/registry/redis/link/client.ts'
import { createLink, type Link } from '../../src/registry/redis/link/link.ts'
import { EVENTUALLY_MS, eventually } from '../support/eventually.ts'
import { recordingLog } from '../support/issuer-settings.ts'

const CALL_MS = 50
const STEP = script('a step')
const isOurs = ([, what = '']: readonly string[]) => [STEP.sha, STEP.text, '1'].includes(what)
const refused = { code: 'store_unavailable' }

let link: Link | undefined
afterEach(() => link?.close())

/** A link on connections that are ready at once; `send` answers all commands but the link's own check. */
async function linkTo(send: RedisConnection['send'], replicas = 0) {
  const seen = { connections: 0, sent: [] as (readonly string[])[] }
  const opened = createLink({
    connect: async () => {
      seen.connections++
      let ready = true
      return {
        send: async (args) => {
          if (!isOurs(args)) return null
          seen.sent.push(args)
          return send(args)
        },
        isReady: () => ready,
        destroy: () => {
          ready = false
        },
      }
    },
    address: 'redis.example:6379',
    replicas,
    log: createLog({ level: 'silent' }),
    callMs: CALL_MS,
  })
  link = opened
  await vi.waitFor(() => opened.check(), { timeout: EVENTUALLY_MS, interval: 5 })
  return {
    seen,
    call: () => opened.run(STEP, ['a', 7], String),
    runReplicated: () => opened.runReplicated(STEP, ['a', 7], String),
  }
}

test('a script gets the hash tag as its key and its arguments as text', async () => {
  const { call, seen } = await linkTo(async () => 'done')
  expect(await call()).toBe('done')
  expect(seen.sent).toEqual([['EVALSHA', STEP.sha, '1', '{ckm}', 'a', '7']])
})

test('a call that was late because this process was busy is answered, and Redis is not suspected', async () => {
  let first = true
  const { call } = await linkTo(() => {
    if (!first) return Promise.resolve('next')
    first = false
    const until = performance.now() + 3 * CALL_MS
    while (performance.now() < until);
    // The answer comes as soon as the command could be sent.
    return sleep(10, 'late')
  })
  expect(await call()).toBe('late')
  expect(await call()).toBe('next')
})

test('calls that are answered in turn are all waited for, however late the last one is', async () => {
  let turn = Promise.resolve()
  const { call } = await linkTo(() => {
    turn = turn.then(() => sleep(CALL_MS / 3))
    return turn.then(() => 'in turn')
  })
  const begun = performance.now()
  expect(await Promise.all(Array.from({ length: 9 }, call))).toEqual(Array(9).fill('in turn'))
  expect(performance.now() - begun).toBeGreaterThan(2 * CALL_MS)
})

test('when answers stop, the calls under way are refused together, and the next ones at once', async () => {
  let turn = Promise.resolve()
  let left = 10
  const { call } = await linkTo(() => {
    turn = left-- > 0 ? turn.then(() => sleep(CALL_MS / 3)) : new Promise(() => undefined)
    return turn.then(() => 'in turn')
  })
  const reasons: unknown[] = []
  const calls = Array.from({ length: 30 }, () =>
    call().catch(({ reason }: { readonly reason: unknown }) => reasons.push(reason)),
  )
  await Promise.all(calls)
  expect(reasons).toEqual(Array(20).fill('Redis: no answer within 50 ms'))
  await expect(call()).rejects.toMatchObject({ ...refused, reason: 'not connected to Redis' })
})

test('answers that take six times as long are waited for while this process is busy', async () => {
  const { call } = await linkTo(() => sleep(6 * CALL_MS, 'late'))
  for (let turn = 0; turn < 3; turn++) {
    const calls = [call(), call()]
    const until = performance.now() + 6 * CALL_MS
    while (performance.now() < until);
    expect(await Promise.all(calls)).toEqual(['late', 'late'])
  }
})

test('a call that waits for its turn eight times as long is refused alone', async () => {
  const never = new Promise(() => undefined)
  let first = true
  const { call } = await linkTo(() => {
    if (!first) return Promise.resolve('in turn')
    first = false
    return never
  })
  let over = false
  const late = expect(call()).rejects.toMatchObject({ reason: 'Redis: slow: no turn in 400 ms' })
  void late.then(() => {
    over = true
  })
  while (!over) {
    expect(await call()).toBe('in turn')
    await sleep(5)
  }
  await late
  expect(await call()).toBe('in turn')
})

test('a WAIT that nobody answers refuses its own step, and Redis is not suspected', async () => {
  const { call, runReplicated, seen } = await linkTo(
    async ([name]) => (name === 'WAIT' ? new Promise(() => undefined) : 'done'),
    1,
  )
  let over = false
  const taken = expect(runReplicated()).rejects.toMatchObject(refused)
  void taken.then(() => {
    over = true
  })
  while (!over) {
    expect(await call()).toBe('done')
    await sleep(5)
  }
  await taken
  expect(await call()).toBe('done')
  expect(seen.sent.filter(([name]) => name !== 'EVALSHA')).toEqual([
    ['EVAL', STEP.text, '1', '{ckm}', 'a', '7'],
    ['WAIT', '1', '300'],
  ])
})

describe('while the connection of revokes cannot be opened', () => {
  /** A link whose first connection works, and a revoke that failed because the second one did not. */
  async function failedRevoke() {
    const { log, text } = recordingLog()
    const connections: { ready: boolean }[] = []
    let tries = 0
    let open = async () => {}
    const opened = createLink({
      async connect() {
        tries++
        await open()
        const connection = { ready: true }
        connections.push(connection)
        return {
          send: async () => 1,
          isReady: () => connection.ready,
          destroy: () => {
            connection.ready = false
          },
        }
      },
      address: 'redis.example:6379',
      replicas: 1,
      log,
      callMs: CALL_MS,
    })
    link = opened
    await eventually(() => opened.check())
    const openWith = (next: () => Promise<void>) => {
      open = next
    }
    openWith(() => Promise.reject(new Error('ERR max number of clients reached')))
    await expect(opened.runReplicated(STEP, [], String)).rejects.toMatchObject(refused)
    const saysWorking = () => text().includes('redis answers again')
    return { ...opened, connections, tries: () => tries, openWith, saysWorking }
  }

  test('Redis does not count as working, although all else works, until it can be', async () => {
    const { tries, openWith, saysWorking } = await failedRevoke()
    await vi.waitFor(() => expect(tries()).toBe(5), 10_000)
    expect(saysWorking()).toBe(false)
    openWith(async () => {})
    await vi.waitFor(() => expect(saysWorking()).toBe(true), 10_000)
  }, 30_000)

  test('the other one is opened again at once, also while the attempt hangs', async () => {
    const { run, tries, connections, openWith } = await failedRevoke()
    openWith(() => new Promise(() => {}))
    await vi.waitFor(() => expect(tries()).toBe(3), 10_000)
    openWith(async () => {})
    for (const connection of connections) connection.ready = false
    await eventually(async () => expect(await run(STEP, [], String)).toBe('1'))
  }, 30_000)
})

test('a script that Redis does not know is not sent once its call is refused', async () => {
  const late = Promise.withResolvers<never>()
  const { call, seen } = await linkTo(() => late.promise)
  await expect(call()).rejects.toMatchObject(refused)
  late.reject(new Error('NOSCRIPT No matching script.'))
  await sleep(CALL_MS)
  expect(seen.sent.map(([name]) => name)).toEqual(['EVALSHA'])
})

test.each(['READONLY You cannot write against a read only replica.', 'MOVED 10464 127.0.0.1:7'])(
  'after %s the address is asked again, at most once in a second',
  async (message) => {
    const { call, seen } = await linkTo(() => Promise.reject(new Error(message)))
    await sleep(1_000)
    await expect(call()).rejects.toMatchObject(refused)
    await eventually(() => expect(seen.connections).toBe(2))
    await eventually(() => expect(call()).rejects.toMatchObject({ reason: `Redis: ${message}` }))
    await sleep(300)
    expect(seen.connections).toBe(2)
  },
)
