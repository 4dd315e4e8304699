import { setImmediate } from 'node:timers/promises'
import { afterEach, expect, onTestFinished, test, vi } from 'vitest'
import { createReplicated } from '../../src/registry/redis/link/replicated.ts'
import { eventually } from '../support/eventually.ts'

const TOUCH = ['a write']

let replicated: ReturnType<typeof createReplicated> | undefined
afterEach(() => replicated?.close())

/** Connections that answer when the test says so. */
function scene() {
  const connections: {
    sent: string[]
    answers: PromiseWithResolvers<unknown>[]
    ready: boolean
  }[] = []
  const opened = createReplicated({
    connect: async () => {
      const connection = {
        sent: [] as string[],
        answers: [] as PromiseWithResolvers<unknown>[],
        ready: true,
      }
      connections.push(connection)
      return {
        send: ([name = '', count]) => {
          connection.sent.push(name === 'WAIT' ? `WAIT ${count}` : name)
          const answer = Promise.withResolvers<unknown>()
          connection.answers.push(answer)
          return answer.promise
        },
        isReady: () => connection.ready,
        destroy: () => {
          connection.ready = false
          for (const { reject } of connection.answers) reject(new Error('Socket closed'))
        },
      }
    },
    touch: TOUCH,
    replicas: 2,
    callMs: 50,
  })
  replicated = opened
  const sent = () => connections.map((connection) => connection.sent)
  const untilSent = (...expected: string[][]) => eventually(() => expect(sent()).toEqual(expected))
  const answer = (at: number, values: readonly unknown[]) => {
    const { answers = [] } = connections[at] ?? {}
    for (const value of values) {
      const next = answers.shift()
      if (value instanceof Error) next?.reject(value)
      else next?.resolve(value)
    }
  }
  return { ...opened, connections, untilSent, answer }
}

test('a write is sent with a second write, in case it changes nothing itself, and WAIT', async () => {
  const { send, untilSent, answer } = scene()
  const one = send(['one'])
  await untilSent(['one', 'a write', 'WAIT 2'])
  answer(0, ['done', 1, 2])
  expect(await one).toBe('done')
})

test('writes that come during a WAIT are sent together after it, and one that fails is refused alone', async () => {
  const { send, untilSent, answer } = scene()
  const first = send(['first'])
  await untilSent(['first', 'a write', 'WAIT 2'])
  const others = Promise.allSettled([send(['second']), send(['third'])])
  answer(0, [1, 1, 2])
  await first
  await untilSent(['first', 'a write', 'WAIT 2', 'second', 'third', 'a write', 'WAIT 2'])
  answer(0, [new Error('ERR'), 3, 1, 2])
  expect(await others).toMatchObject([{ status: 'rejected' }, { value: 3 }])
})

test('with too few replicas all of them are refused, on the same connection', async () => {
  const { send, untilSent, answer, connections } = scene()
  const one = expect(send(['one'])).rejects.toThrow('1 of 2 replicas have it within 300 ms')
  await untilSent(['one', 'a write', 'WAIT 2'])
  answer(0, [1, 1, 1])
  await one
  const again = send(['one'])
  await untilSent(['one', 'a write', 'WAIT 2', 'one', 'a write', 'WAIT 2'])
  answer(0, [1, 1, 2])
  await again
  expect(connections).toHaveLength(1)
})

test.each([
  ['the connection is lost', () => [1, new Error('Socket closed'), new Error('Socket closed')]],
  ['the second write fails', () => [1, new Error('READONLY'), 2]],
  ['WAIT fails', () => [1, 1, new Error('NOPERM')]],
  ['nobody answers', () => []],
])('when %s it is refused, and the next one goes out on another connection', async (_, answers) => {
  const { send, untilSent, answer } = scene()
  const one = expect(send(['one'])).rejects.toThrow(Error)
  await untilSent(['one', 'a write', 'WAIT 2'])
  answer(0, answers())
  await one
  const again = send(['one'])
  await untilSent(['one', 'a write', 'WAIT 2'], ['one', 'a write', 'WAIT 2'])
  answer(1, ['done', 1, 2])
  expect(await again).toBe('done')
})

test('when it is closed, waiting writes are refused', async () => {
  const { send, untilSent, close } = scene()
  const one = expect(send(['one'])).rejects.toThrow('Socket closed')
  await untilSent(['one', 'a write', 'WAIT 2'])
  close()
  await one
})

test('a connection that opens after it is closed is closed at once', async () => {
  const { send, connections, close } = scene()
  void send(['one']).catch(() => undefined)
  close()
  await setImmediate()
  expect(connections).toMatchObject([{ ready: false }])
})

test('a connection that was opened elsewhere ends the idle one here, and none with a write under way', async () => {
  const { send, renew, untilSent, answer } = scene()
  const one = send(['one'])
  await untilSent(['one', 'a write', 'WAIT 2'])
  renew()
  answer(0, ['done', 1, 2])
  expect(await one).toBe('done')
  renew()
  const two = send(['two'])
  await untilSent(['one', 'a write', 'WAIT 2'], ['two', 'a write', 'WAIT 2'])
  answer(1, ['done', 1, 2])
  await two
})

test('after a failure, one write at a time looks whether writes succeed again, a second later at the earliest', async () => {
  vi.useFakeTimers({ toFake: ['performance'] })
  onTestFinished(() => void vi.useRealTimers())
  const { send, works, answer, connections } = scene()
  const sentAfter = async (milliseconds: number) => {
    vi.advanceTimersByTime(milliseconds)
    for (let asked = 0; asked < 2; asked++) expect(works()).toBe(false)
    await setImmediate()
    return connections.flatMap(({ sent }) => sent).length
  }
  const one = expect(send(['one'])).rejects.toThrow('1 of 2 replicas')
  await setImmediate()
  answer(0, [1, 1, 1])
  await one
  expect(await sentAfter(1000)).toBe(3)
  expect(await sentAfter(1)).toBe(6)
  expect(await sentAfter(5000)).toBe(6)
  answer(0, [1, 1, 2])
  await setImmediate()
  expect(works()).toBe(true)
  expect(connections.flatMap(({ sent }) => sent)).toHaveLength(6)
})
