import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, expect, test } from 'vitest'
import { createLog } from '../../src/lib/log.ts'
import { createLink, type Link } from '../../src/registry/redis/link.ts'

const CALL_MS = 50

let link: Link | undefined
afterEach(() => link?.close())

/** On a connection that is ready and answers pings. */
function linkOf(): Link {
  const connection = {
    connect: async () => undefined,
    send: async () => '',
    isReady: () => true,
    ping: async () => undefined,
    destroy: () => undefined,
  }
  link = createLink({
    connect: () => connection,
    log: createLog({ level: 'silent' }),
    onReady: async () => ({ acrossSlots: true }),
    callMs: CALL_MS,
  })
  return link
}

test('a call that this process itself held up is answered, and nobody is suspected', async () => {
  const { call } = linkOf()
  const answer = call(() => {
    const until = performance.now() + 3 * CALL_MS
    while (performance.now() < until);
    // As an answer that comes as soon as the command could be sent.
    return sleep(10, 'late')
  })
  expect(await answer).toBe('late')
  expect(await call(async () => 'next')).toBe('next')
})

test('a call that nobody answers is refused, and the next ones at once', async () => {
  const { call } = linkOf()
  const refused = { code: 'store_unavailable', reason: 'no answer from Redis within 50 ms' }
  await expect(call(() => new Promise(() => undefined))).rejects.toMatchObject(refused)
  const next = { code: 'store_unavailable', reason: 'not connected to Redis' }
  await expect(call(async () => 'next')).rejects.toMatchObject(next)
})
