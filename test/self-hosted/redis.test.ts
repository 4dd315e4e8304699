import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { makeSigningKeys } from '../../src/chatkit/signing/signing-keys.ts'
import { asAt, createThread } from '../gateway/scene.ts'
import { startSampleServer } from '../support/chatkit/sample-server.ts'
import { framesOf, input } from '../support/chatkit/server-client.ts'
import { answerOf, expectProblem } from '../support/problem-answer.ts'
import { startRedis, wantsRedis } from '../support/registry/redis.ts'
import { scratchFolder } from '../support/scratch-folder.ts'
import { forAllTests } from '../support/started.ts'
import { startInstance } from './instance.ts'

describe.runIf(wantsRedis())('two instances that share Redis and a key file', () => {
  const redis = forAllTests(() => startRedis())
  const sample = forAllTests(() => startSampleServer({ wordMs: 5 }))
  const SIGNING_KEY_FILE = join(scratchFolder(), 'keys.json')
  writeFileSync(SIGNING_KEY_FILE, makeSigningKeys())
  const start = () => startInstance(sample.url, { STORE_URL: redis.url, SIGNING_KEY_FILE })
  const here = forAllTests(start)
  const there = forAllTests(start)

  test('a client secret of one instance works at the other, and a thread has one owner at both', async () => {
    const alice = await here.mint('alice')
    const bob = await there.mint('bob')
    const { id: thread_id } = await createThread(asAt(here.gateway, { secret: alice }))
    const get = ['threads.get_by_id', { thread_id }] as const
    expect((await asAt(there.gateway, { secret: alice })(get)).status).toBe(200)
    sample.server.clearRequests()
    for (const { gateway } of [here, there]) {
      const answer = await answerOf(await asAt(gateway, { secret: bob })(get))
      expectProblem(answer, 404, 'not_found')
    }
    expect(sample.server.requests()).toEqual([])
  })

  test('a cancel at one instance ends the running stream at the other within a second, at the server too, and the secret is refused at both', async () => {
    const secret = await here.mint('carol')
    const create = ['threads.create', { input: input('count to 100000') }] as const
    const frames = framesOf(await asAt(there.gateway, { secret })(create))
    await frames.next()
    const started = performance.now()
    expect(await here.cancel(secret)).toMatchObject({ status: 'cancelled' })
    let last = ''
    for await (const frame of frames) last = frame
    expect(performance.now() - started).toBeLessThan(1000)
    expect(JSON.parse(last)).toMatchObject({ type: 'error' })
    await expect.poll(() => sample.server.requests().at(-1)?.left).toBe(true)
    for (const { gateway } of [here, there]) {
      const answer = await answerOf(await asAt(gateway, { secret })(['threads.list']))
      expectProblem(answer, 401, 'invalid_token')
    }
  })
})
