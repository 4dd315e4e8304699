import { setImmediate } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { RedisConnection } from '../../../src/registry/redis/link/client.ts'
import { createDiagnosis } from '../../../src/registry/redis/link/diagnosis.ts'
import { createKeeper } from '../../../src/registry/redis/link/keeper.ts'
import { NoAnswerError } from '../../../src/registry/redis/link/patience.ts'
import { recordingLog } from '../../support/issuer-settings.ts'

const noAnswer = new NoAnswerError('no answer within 250 ms')

/** Whether each connection so far is still open. */
let open: boolean[]
/** What `connect` waits for, and what the check does. */
let connecting: () => Promise<unknown>
let checking: () => Promise<unknown>
let lines: readonly object[]
let keeper: ReturnType<typeof createKeeper>

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] })
  open = []
  connecting = async () => {}
  checking = async () => {}
})
afterEach(() => {
  keeper.close()
  vi.restoreAllMocks()
  vi.useRealTimers()
})

async function connect(): Promise<RedisConnection> {
  const at = open.push(true) - 1
  await connecting()
  return {
    send: async () => '',
    isReady: () => open[at] ?? false,
    destroy() {
      open[at] = false
    },
  }
}

function start() {
  const { log, lines: written } = recordingLog()
  lines = written
  const diagnosis = createDiagnosis({ address: 'redis:6379', replicas: 0, log })
  keeper = createKeeper({ connect, check: () => checking(), revokesWork: () => true, diagnosis })
  return pass(0)
}

/** Lets timers fire one by one, and what they begin go on. */
async function pass(milliseconds: number): Promise<void> {
  for (let left = milliseconds; left >= 0; left -= 100) {
    vi.advanceTimersByTime(Math.min(left, 100))
    for (let turns = 0; turns < 3; turns++) await setImmediate()
  }
}

test.each([
  [0, 16],
  [0.999, 7],
])(
  'a connection that cannot be had is tried at random pauses: with %d, %i times in 3 s',
  async (random, tries) => {
    vi.spyOn(Math, 'random').mockReturnValue(random)
    connecting = () => Promise.reject(new Error('ECONNREFUSED'))
    await start()
    await pass(3_000)
    expect(open).toHaveLength(tries)
  },
)

test('a connection that opens after the end is closed', async () => {
  const opened = Promise.withResolvers<void>()
  connecting = () => opened.promise
  await start()
  await pass(1_000)
  keeper.close()
  opened.resolve()
  await pass(1_000)
  // No second one was begun while the first was on its way.
  expect(open).toEqual([false])
})

test('the end closes the connection, and the log says nothing of calls that fail by that', async () => {
  await start()
  keeper.close()
  expect(open).toEqual([false])
  keeper.failed(new Error('Socket closed unexpectedly'))
  expect(lines.filter((line) => 'cause' in line)).toEqual([])
})

test('the connection is kept while checks are answered, also after a call that was not', async () => {
  await start()
  keeper.failed(noAnswer)
  expect(keeper.current()).toBeUndefined()
  await pass(100)
  expect(keeper.current()).toBeDefined()
  await pass(2_000)
  expect(open).toEqual([true])
})

test('one whose checks are not answered for a second is replaced by a new one, and so is one that ended', async () => {
  await start()
  checking = () => Promise.reject(noAnswer)
  keeper.failed(noAnswer)
  await pass(1_000)
  expect(open).toEqual([true])
  await pass(200)
  checking = async () => {}
  await pass(500)
  expect(open).toEqual([false, true])
  expect(keeper.current()).toBeDefined()
  open[1] = false
  expect(keeper.current()).toBeUndefined()
  await pass(500)
  expect(open).toEqual([false, false, true])
})

test('an error of a check tells that Redis answers: it is no longer suspected of hanging', async () => {
  await start()
  keeper.failed(noAnswer)
  checking = () => Promise.reject(new Error('OOM command not allowed'))
  await pass(100)
  expect(keeper.current()).toBeDefined()
})
