import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, expect, test } from 'vitest'
import { createLog } from '../../src/lib/log.ts'
import { script } from '../../src/registry/redis/client.ts'
import { createLink, type Link } from '../../src/registry/redis/link.ts'

const CALL_MS = 50
const STEP = script('return 1')
const same = (reply: unknown) => reply

let link: Link | undefined
afterEach(() => link?.close())

/** On a connection that is ready and answers pings, and scripts in turn as it is told. */
function linkOf(...answers: (() => Promise<unknown>)[]): Link {
  const connection = {
    connect: async () => undefined,
    send: async () => answers.shift()?.(),
    isReady: () => true,
    ping: async () => undefined,
    destroy: () => undefined,
  }
  link = createLink({
    connect: () => connection,
    log: createLog({ level: 'silent' }),
    onReady: async () => undefined,
    callMs: CALL_MS,
  })
  return link
}

test('a call that this process itself held up is answered, and nobody is suspected', async () => {
  const late = () => {
    const until = performance.now() + 3 * CALL_MS
    while (performance.now() < until);
    // As an answer that comes as soon as the command could be sent.
    return sleep(10, 'late')
  }
  const { run } = linkOf(late, async () => 'next')
  expect(await run(STEP, [], same)).toBe('late')
  expect(await run(STEP, [], same)).toBe('next')
})

test('a call that nobody answers is refused, and the next ones at once', async () => {
  const { run } = linkOf(() => new Promise(() => undefined))
  const refused = { code: 'store_unavailable', reason: 'no answer from Redis within 50 ms' }
  await expect(run(STEP, [], same)).rejects.toMatchObject(refused)
  const next = { code: 'store_unavailable', reason: 'not connected to Redis' }
  await expect(run(STEP, [], same)).rejects.toMatchObject(next)
})
