import { Agent, request } from 'undici'
import { afterAll, expect, test } from 'vitest'
import { startThreadScene } from '../../support/chatkit/thread-scene.ts'
import { eventually } from '../../support/eventually.ts'
import { HIGH_LIMITS, tokenFor } from '../../support/running-service.ts'
import { forAllTests } from '../../support/started.ts'
import { BILLING, ONE_KEY } from './scene.ts'

const FLOOD = 500
/** Thread calls of one key at a time. */
const HALF_A_LANE = 128

/** With the limits that hold where the config has none. */
const scene = forAllTests(() =>
  startThreadScene({
    workflows: ['support'],
    more: ONE_KEY,
    config: (yaml) => yaml.replace(HIGH_LIMITS, ''),
  }),
)

/** More connections than one key's thread calls can hold. */
const dispatcher = new Agent({ connections: HALF_A_LANE + 32 })
afterAll(() => dispatcher.destroy())

async function status(path: string, { key = BILLING, body }: { key?: string; body?: string } = {}) {
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' }
  const answer = await request(`${scene.running.url}/v1/chatkit${path}`, {
    ...{ dispatcher, headers, method: body === undefined ? 'GET' : 'POST', body: body ?? null },
  })
  await answer.body.dump()
  return answer.statusCode
}

/** Calls by twenty at a time, as a backend with a pool of connections makes them. */
async function flood(call: (at: number) => Promise<number>): Promise<Record<number, number>> {
  const counts: Record<number, number> = {}
  let next = 0
  const worker = async () => {
    while (next < FLOOD) {
      const answer = await call(next++)
      counts[answer] = (counts[answer] ?? 0) + 1
    }
  }
  await Promise.all(Array.from({ length: 20 }, worker))
  return counts
}

test('a flood of requests with one key leaves thirty end users’ mints at 200', async () => {
  const { promise: slow, resolve: release } = Promise.withResolvers<void>()
  let reads = 0
  scene.tamper = async (request, answer) => {
    if (request.method === 'GET') {
      reads++
      await slow
    }
    return answer()
  }
  let refused = 0
  const read = async () => {
    const answer = await status('/threads')
    if (answer === 429) refused++
    return answer
  }
  const threads = Promise.all(Array.from({ length: FLOOD }, read))
  // None is left that could take the place of one that a busy machine made slow for too long.
  await eventually(() => expect([reads, refused]).toEqual([HALF_A_LANE, FLOOD - HALF_A_LANE]))

  const body = JSON.stringify({ user: 'greedy', workflow: { id: 'support' } })
  const creates = flood(() => status('/sessions', { body }))
  const guesses = flood((at) => status('/threads', { key: `sk-mint-guess-${at}` }))
  const mints = Array.from({ length: 30 }, async (_, at) => {
    const response = await scene.running.mint(tokenFor(`user-${at}`))
    return response.status
  })
  expect(await Promise.all(mints)).toEqual(Array(30).fill(200))
  expect(await creates).toEqual({ 200: 10, 429: FLOOD - 10 })
  expect(await guesses).toEqual({ 401: 60, 429: FLOOD - 60 })
  expect(reads).toBe(HALF_A_LANE)

  release()
  const answers = Object.groupBy(await threads, (one) => one)
  expect(answers[429]).toHaveLength(FLOOD - HALF_A_LANE)
  // On a busy machine the others may have been slow for too long. After many such calls the key is refused for a while.
  expect(Object.keys(answers).every((one) => ['200', '429', '504'].includes(one))).toBe(true)
  await eventually(async () => expect(await status('/threads')).toBe(200))
})
