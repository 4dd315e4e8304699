import { setTimeout } from 'node:timers/promises'
import { Pool } from 'undici'
import { beforeEach, describe, expect, test } from 'vitest'
import { createOpenAi } from '../../../src/chatkit/hosted/openai.ts'
import type { CallOptions } from '../../../src/chatkit/port.ts'
import { Secret } from '../../../src/lib/secret.ts'
import type { Behaviour } from '../../support/chatkit/scripted-upstream.ts'
import { eventually } from '../../support/eventually.ts'
import { sessionId, threadId } from '../../support/ids.ts'
import { createScene } from './scene.ts'

let api: ReturnType<typeof adapter>
const { upstream, adapter } = createScene(64)
beforeEach(() => {
  api = adapter()
})

const create = (call?: CallOptions) =>
  api.createSession({ user: 'alice', workflow: { id: 'wf_1' } }, call)
const read = (call?: CallOptions) => api.listThreads({ user: 'alice' }, call)
const cancel = (call?: CallOptions) => api.cancelSession(sessionId('cksess_1'), call)
/** Result codes of `count` calls made side by side. */
const codes = (count: number, call: () => Promise<unknown>) =>
  Promise.all(
    Array.from({ length: count }, () =>
      call().then(
        () => 'ok',
        (error) => error.code,
      ),
    ),
  )
const down: Behaviour = { kind: 'answer', status: 503 }
const EMPTY_LIST: Behaviour = {
  kind: 'answer',
  status: 200,
  body: { object: 'list', data: [], first_id: null, last_id: null, has_more: false },
}
const wait = (milliseconds: number) => setTimeout(milliseconds)

/** Waits until a call succeeds; gives the milliseconds that this took. */
async function recovery(call: () => Promise<unknown>): Promise<number> {
  const started = performance.now()
  while ((await codes(1, call))[0] !== 'ok') {
    if (performance.now() - started > 9000) break
    await wait(20)
  }
  return performance.now() - started
}

describe('the breaker', () => {
  test('opens after 20 failed creates, answers fast without a call, closes after the cure', async () => {
    upstream.creates = [down]
    expect(await codes(19, create)).not.toContain('ok')
    expect(api.breakers()).toEqual({ mint: false, threads: false, cancel: false })
    await codes(1, create)
    expect(api.breakers()).toEqual({ mint: true, threads: false, cancel: false })
    expect(upstream.seen).toHaveLength(40)

    const started = performance.now()
    expect(new Set(await codes(100, create))).toEqual(new Set(['upstream_unavailable']))
    expect((performance.now() - started) / 100).toBeLessThan(10)
    expect(upstream.seen).toHaveLength(40)

    upstream.creates = [{ kind: 'ok' }]
    expect(await recovery(create)).toBeLessThan(5000)
    expect(upstream.seen).toHaveLength(41)
    expect(await codes(20, create)).toEqual(Array.from({ length: 20 }, () => 'ok'))
  })

  test.each([400, 401, 403, 404, 410, 422])('never opens on %i', async (status) => {
    upstream.creates = [{ kind: 'answer', status }]
    await codes(60, create)
    expect(api.breakers().mint).toBe(false)
    expect(upstream.seen).toHaveLength(60)
  })

  test('never opens on 429, nor on answers that are no session', async () => {
    upstream.creates = [{ kind: 'answer', status: 429, headers: { 'retry-after': '60' } }]
    await codes(60, create)
    upstream.creates = [{ kind: 'answer', status: 200, body: '<html>' }]
    await codes(60, create)
    expect(api.breakers().mint).toBe(false)
  })

  test('never opens on callers who leave, and no such probe closes it', async () => {
    upstream.creates = [{ kind: 'hang' }]
    const leave = async () => {
      const controller = new AbortController()
      const call = create({ signal: controller.signal })
      await wait(20)
      controller.abort(new Error('gone'))
      return call
    }
    await codes(60, leave)
    expect(api.breakers().mint).toBe(false)
    upstream.creates = [down]
    await codes(20, create)
    await wait(2050)
    upstream.creates = [{ kind: 'hang' }]
    await codes(1, leave)
    expect(api.breakers().mint).toBe(true)
  })

  test.each<[string, Behaviour]>([
    ['resets', { kind: 'reset' }],
    ['broken answers', { kind: 'cut' }],
    ['no HTTP', { kind: 'garbage', text: 'hello\r\n' }],
    ['answers that do not come in time', { kind: 'hang' }],
  ])('opens on %s', async (_name, behaviour) => {
    upstream.creates = [behaviour]
    await codes(20, () => create({ withinMs: 200 }))
    expect(api.breakers().mint).toBe(true)
  })
})

describe('the breaker of another lane', () => {
  test.each([
    ['mint', 'creates', create, cancel],
    ['cancel', 'cancels', cancel, create],
  ] as const)('lets other calls through while all of %s fail', async (lane, plan, call, other) => {
    upstream[plan] = [down]
    await codes(20, call)
    const closed = { mint: false, threads: false, cancel: false }
    expect(api.breakers()).toEqual({ ...closed, [lane]: true })
    expect(await codes(5, other)).toEqual(['ok', 'ok', 'ok', 'ok', 'ok'])
    upstream.others = [EMPTY_LIST]
    expect(await codes(5, read)).toEqual(['ok', 'ok', 'ok', 'ok', 'ok'])
  })

  test('lets creates and cancels through while thread calls fail', async () => {
    upstream.others = [down]
    await codes(20, read)
    expect(api.breakers()).toEqual({ mint: false, threads: true, cancel: false })
    expect(await codes(5, create)).toEqual(['ok', 'ok', 'ok', 'ok', 'ok'])
    expect(await codes(5, cancel)).toEqual(['ok', 'ok', 'ok', 'ok', 'ok'])
    const before = upstream.seen.length
    const remove = () => api.deleteThread(threadId('cthr_1'))
    expect(await codes(5, remove)).toEqual(Array.from({ length: 5 }, () => 'upstream_unavailable'))
    expect(upstream.seen).toHaveLength(before)
  })

  test('says whether it refuses everybody or one caller alone', async () => {
    upstream.others = [down]
    await codes(20, () => read({ caller: 'mallory' }))
    const alone = 'the breaker is open for this caller alone'
    await expect(read({ caller: 'mallory' })).rejects.toMatchObject({ reason: alone })
    await codes(20, read)
    await expect(read({ caller: 'alice' })).rejects.toMatchObject({ reason: 'the breaker is open' })
  })

  test('refuses one caller alone whose reads take too long', async () => {
    upstream.others = [{ kind: 'hang' }]
    const slow = () => read({ caller: 'mallory', withinMs: 200 })
    await codes(20, slow)
    expect(api.breakers().threads).toBe(false)
    const alone = 'the breaker is open for this caller alone'
    await expect(slow()).rejects.toMatchObject({ reason: alone })
  })

  test('opens on cancels that their caller found too slow', async () => {
    upstream.cancels = [{ kind: 'hang' }]
    const slow = () => cancel({ signal: AbortSignal.timeout(100) })
    await codes(20, slow)
    expect(api.breakers().cancel).toBe(true)
    await expect(cancel()).rejects.toMatchObject({ code: 'upstream_unavailable' })
  })
})

test('520 calls of one lane that hang hold up no call of another', async () => {
  const pools = { mint: poolOfTwo(), threads: poolOfTwo(), cancel: poolOfTwo() }
  const apiKey = () => new Secret('sk-test')
  api = createOpenAi({ baseUrl: upstream.url, apiKey, dispatcherFor: (lane) => pools[lane] })
  const calls = { create, read, cancel }
  const plans = { create: 'creates', read: 'others', cancel: 'cancels' } as const
  for (const slow of ['create', 'read', 'cancel'] as const) {
    upstream.creates = upstream.cancels = [{ kind: 'ok' }]
    upstream.others = [EMPTY_LIST]
    upstream[plans[slow]] = [{ kind: 'hang' }]
    const controller = new AbortController()
    const before = upstream.seen.length
    const hanging = codes(520, () => calls[slow]({ signal: controller.signal }))
    await eventually(() => expect(upstream.seen).toHaveLength(before + 2))
    for (const other of ['create', 'read', 'cancel'] as const) {
      const soon = () => calls[other]({ signal: AbortSignal.timeout(4000) })
      if (other !== slow) expect(await codes(2, soon)).toEqual(['ok', 'ok'])
    }
    controller.abort({ code: 'gone' })
    await hanging
  }
  await Promise.all(Object.values(pools).map((one) => one.destroy()))
})

const poolOfTwo = () => new Pool(new URL(upstream.url).origin, { connections: 2 })

test('of 600 calls the first 256 are sent, the newest 256 wait, and those between are refused', async () => {
  upstream.creates = [{ kind: 'hang' }]
  const controller = new AbortController()
  const { signal } = controller
  const refused: number[] = []
  const calls = Array.from({ length: 600 }, async (_, at) => {
    const [code] = await codes(1, () => create({ signal }))
    if (code === 'overloaded') refused.push(at)
    return code
  })
  // On a busy machine the waiting calls may also have run out of time before the test looks.
  await eventually(() => expect(refused.length).toBeGreaterThanOrEqual(88))
  expect(refused.slice(0, 88)).toEqual(Array.from({ length: 88 }, (_, at) => 256 + at))
  controller.abort({ code: 'gone' })
  const ended = await Promise.all(calls)
  expect(new Set(ended.slice(0, 256))).toEqual(new Set(['gone']))
  expect(new Set(ended)).toEqual(new Set(['gone', 'overloaded']))
  upstream.creates = [{ kind: 'ok' }]
  expect(await codes(1, create)).toEqual(['ok'])
})

test('failed calls are repeated, but only a share when many fail', async () => {
  // Not 5xx: after some of them the breaker would open.
  upstream.creates = [{ kind: 'answer', status: 429 }]
  const began = performance.now()
  expect(new Set(await codes(10, create))).toEqual(new Set(['upstream_rate_limited']))
  expect(upstream.seen).toHaveLength(20)
  await codes(250, create)
  const refilled = (2 * (performance.now() - began)) / 1000
  expect(upstream.seen.length - 260).toBeLessThanOrEqual(20 + 0.2 * 260 + refilled)
  expect(upstream.seen.length - 260).toBeGreaterThan(10)
})
