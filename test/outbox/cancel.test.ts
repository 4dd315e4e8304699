import { setTimeout } from 'node:timers/promises'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { createCanceller } from '../../src/outbox/cancel.ts'
import { entry, session } from '../contracts/registry-fixtures.ts'
import { cancelling, createScene, many, NOW_SECONDS, unavailable } from '../mint/scene.ts'
import { sessionId, workflowName } from '../support/ids.ts'
import { forEachTest } from '../support/started.ts'

const scene = forEachTest(() => createScene(many))

afterEach(() => {
  vi.useRealTimers()
})

const down = () => Promise.reject(unavailable('upstream'))
const outbox = async (of = scene) => (await of.real.figures(NOW_SECONDS)).outboxLength
const status = async (id: string) => (await scene.real.getSession(id))?.status

describe('cancelling at once', () => {
  test('a cancel that the upstream confirms leaves the outbox', async () => {
    const sessions = await cancelling(scene, 3)
    expect(await outbox()).toBe(3)
    const confirm = vi.spyOn(scene.registry, 'confirmCancel')
    const outcome = await scene.canceller.cancelAll(sessions)
    expect(confirm.mock.calls.map(([, endedAt]) => endedAt)).toEqual([NOW_SECONDS])
    expect(outcome.cancelled.toSorted()).toEqual(['cksess_1', 'cksess_2', 'cksess_3'])
    expect(outcome.cancelling).toEqual([])
    expect(await outbox()).toBe(0)
    expect(await status('cksess_2')).toBe('cancelled')
  })

  test('a cancel that the upstream does not confirm is tried once, and stays in the outbox', async () => {
    const sessions = await cancelling(scene, 3)
    scene.upstream.onCancel = (id) => (id === 'cksess_2' ? down() : undefined)
    expect(await scene.canceller.cancelAll(sessions)).toEqual({
      cancelled: expect.arrayContaining(['cksess_1', 'cksess_3']),
      cancelling: ['cksess_2'],
    })
    expect(scene.upstream.cancels).toHaveLength(3)
    expect(await outbox()).toBe(1)
    expect(await status('cksess_2')).toBe('cancelling')
  })

  test('calls for one session at the same time make one attempt, and a later call another one', async () => {
    const sessions = await cancelling(scene, 1)
    scene.upstream.onCancel = () => setTimeout(20)
    const calls = [1, 2, 3].map(() => scene.canceller.cancelAll(sessions))
    const done = { cancelled: ['cksess_1'], cancelling: [] }
    expect(await Promise.all(calls)).toEqual([done, done, done])
    expect(scene.upstream.cancels).toHaveLength(1)
    scene.upstream.onCancel = down
    expect((await scene.canceller.cancelAll(sessions)).cancelling).toEqual(['cksess_1'])
    expect(scene.upstream.cancels).toHaveLength(2)
  })

  test('an attempt that hangs is given up after 3 s', async () => {
    const sessions = await cancelling(scene, 64)
    scene.upstream.onCancel = (_id, call) =>
      new Promise((_, reject) =>
        call?.signal?.addEventListener('abort', () => reject(new Error('x'))),
      )
    const started = performance.now()
    expect((await scene.canceller.cancelAll(sessions)).cancelling).toHaveLength(64)
    expect(performance.now() - started).toBeGreaterThan(2_900)
    expect(performance.now() - started).toBeLessThan(4_500)
  })

  test('after 8 s no further attempt begins', async () => {
    const sessions = await cancelling(scene, 640)
    vi.useFakeTimers()
    scene.upstream.onCancel = () =>
      new Promise((_, reject) => globalThis.setTimeout(() => reject(new Error('x')), 3000))
    const outcome = scene.canceller.cancelAll(sessions)
    await vi.advanceTimersByTimeAsync(9_500)
    expect((await outcome).cancelling).toHaveLength(640)
    expect(scene.upstream.cancels).toHaveLength(3 * 64)
    expect(await outbox()).toBe(640)
  })

  test('a store that fails after the cancel keeps the outbox entry, and the call does not fail', async () => {
    const scene = createScene({
      ...many,
      registry: () => ({ confirmCancel: () => Promise.reject(unavailable('store')) }),
    })
    const sessions = await cancelling(scene, 1)
    await expect(scene.canceller.cancelAll(sessions)).resolves.toBeDefined()
    expect(await outbox(scene)).toBe(1)
    expect(scene.logText()).toMatch(/"reason":"[^"]+".*confirmed cancels were not recorded/)
    expect(scene.logText()).not.toContain('"stack"')
  })
})

describe('the outbox', () => {
  test('leaves a new entry to its writer for 5 s, and tries it after that', async () => {
    await cancelling(scene, 2)
    expect(await scene.canceller.workOutbox()).toBe(0)
    scene.clock.ms += 5_000
    expect(await scene.canceller.workOutbox()).toBe(2)
    expect(scene.upstream.ended.size).toBe(2)
    expect(await scene.canceller.workOutbox()).toBe(0)
  })

  test('tries again within 2 s, backs off to 5 s at most, and never gives up before expiry', async () => {
    const [session] = await cancelling(scene, 1)
    scene.upstream.onCancel = down
    await scene.canceller.cancelAll(session ? [session] : [])
    const started = scene.clock.ms
    const tries = [started]
    while (scene.clock.ms < started + 120_000) {
      scene.clock.ms += 500
      if ((await scene.canceller.workOutbox()) > 0) tries.push(scene.clock.ms)
    }
    const gaps = tries.slice(1).map((at, index) => at - (tries[index] ?? 0))
    expect(gaps[0]).toBeLessThanOrEqual(2000)
    expect(gaps[1]).toBeGreaterThan(gaps[0] ?? 0)
    expect(Math.max(...gaps)).toBeLessThanOrEqual(5000)
    expect(gaps.length).toBeGreaterThan(20)
  })

  test.each([0, 1])('keeps these bounds with jitter %i', async (jitter) => {
    const [session] = await cancelling(scene, 1)
    const postponed: number[] = []
    const registry = {
      ...scene.real,
      postponeCancel: async (_id: string, at: number) => void postponed.push(at - scene.clock.ms),
    }
    const canceller = createCanceller({
      registry,
      chatkit: () => scene.upstream.chatkit,
      now: () => scene.clock.ms,
      log: scene.log,
      random: () => jitter,
    })
    scene.upstream.onCancel = down
    for (let tries = 0; tries < 8; tries++) await canceller.cancelAll(session ? [session] : [])
    // The outbox is read every 500 ms, which adds at most 500 ms.
    expect(postponed[0]).toBeLessThanOrEqual(1500)
    expect(Math.max(...postponed)).toBeLessThanOrEqual(4500)
    expect(postponed.every(Number.isInteger)).toBe(true)
  })

  test('is never tried twice for one session by two rounds at once', async () => {
    await cancelling(scene, 40)
    scene.clock.ms += 5_000
    scene.upstream.onCancel = () => setTimeout(10)
    await Promise.all([scene.canceller.workOutbox(), scene.canceller.workOutbox()])
    expect(scene.upstream.cancels).toHaveLength(40)
  })

  test('tries the others again at once when a probe of the breaker is answered', async () => {
    await cancelling(scene, 25)
    scene.clock.ms += 5_000
    let open = true
    scene.upstream.onCancel = async (id) => {
      if (id !== 'cksess_1') return open ? down() : undefined
      await setTimeout(5)
      open = false
    }
    await scene.canceller.workOutbox()
    expect(scene.upstream.cancels).toHaveLength(1 + 24 * 2)
    expect(await outbox()).toBe(0)
  })

  test('does not try a session that a call of the same instance is trying', async () => {
    const sessions = await cancelling(scene, 2)
    const held = Promise.withResolvers<void>()
    scene.upstream.onCancel = () => held.promise
    const outcome = scene.canceller.cancelAll(sessions)
    scene.clock.ms += 5_000
    await scene.canceller.workOutbox()
    held.resolve()
    expect((await outcome).cancelled).toHaveLength(2)
    expect(scene.upstream.cancels).toHaveLength(2)
  })

  test('drops an expired session without an upstream call', async () => {
    await cancelling(scene, 1)
    scene.clock.ms += 600_000
    expect(await scene.canceller.workOutbox()).toBe(0)
    expect(scene.upstream.cancels).toEqual([])
    expect(await status('cksess_1')).toBe('cancelled')
    expect(await outbox()).toBe(0)
  })

  test('throws store_unavailable when the store is down', async () => {
    const scene = createScene({
      registry: () => ({ claimCancels: () => Promise.reject(unavailable('store')) }),
    })
    await expect(scene.canceller.workOutbox()).rejects.toMatchObject({ code: 'store_unavailable' })
  })
})

describe('a session whose secret reached nobody', () => {
  test('is cancelled through the outbox, where the store has it', async () => {
    await scene.real.record(entry({ id: 'cksess_1' }))
    scene.canceller.cancelUngiven(session({ id: 'cksess_1' }))
    await scene.canceller.settled()
    expect(await status('cksess_1')).toBe('cancelled')
    expect(scene.upstream.cancels).toEqual(['cksess_1'])
  })

  test('is asked for in each round while the store is away, one at a time, until it has expired', async () => {
    const asked: string[] = []
    const scene = createScene({
      registry: () => ({
        beginCancel(id) {
          asked.push(id)
          return Promise.reject(unavailable('store'))
        },
      }),
    })
    for (const id of ['cksess_1', 'cksess_2']) scene.canceller.cancelUngiven(session({ id }))
    await scene.canceller.settled()
    expect(asked.splice(0)).toEqual(['cksess_1', 'cksess_2'])
    await scene.canceller.workOutbox()
    expect(asked.splice(0)).toEqual(['cksess_1'])
    scene.clock.ms += 600_000
    await scene.canceller.workOutbox()
    expect(asked).toEqual([])
  })
})

describe('a session that is not in the registry', () => {
  const unrecorded = { id: sessionId('cksess_9'), workflow: workflowName('support') }

  /** Runs the outbox as housekeeping does for this many seconds; returns the times of the tries, in seconds. */
  async function triesIn(seconds: number): Promise<readonly number[]> {
    const started = scene.clock.ms
    const tries: number[] = []
    while (scene.clock.ms < started + seconds * 1000) {
      scene.clock.ms += 500
      const before = scene.upstream.cancels.length
      await scene.canceller.workOutbox()
      await scene.canceller.settled()
      if (scene.upstream.cancels.length > before) tries.push((scene.clock.ms - started) / 1000)
    }
    return tries
  }

  test('is tried three times at once, and every 5 s until it is cancelled', async () => {
    scene.upstream.onCancel = down
    scene.canceller.cancelUnrecorded(unrecorded)
    await scene.canceller.settled()
    expect(scene.upstream.cancels).toEqual(['cksess_9', 'cksess_9', 'cksess_9'])
    expect(scene.pauses).toEqual([1000, 2000])
    expect(scene.logText()).toContain('until it expires')
    expect(scene.logText()).toMatch(/"reason":"[^"]+".*cancel failed/)
    expect(scene.logText()).not.toContain('"stack"')

    expect(await triesIn(11)).toEqual([0.5, 5.5, 10.5])
    scene.clock.ms -= 3_600_000
    expect(await triesIn(1)).toEqual([0.5])
    scene.upstream.onCancel = () => undefined
    expect(await triesIn(20)).toHaveLength(1)
    expect(scene.upstream.ended).toEqual(new Set(['cksess_9']))
  })

  test('is not tried any more once it has expired', async () => {
    scene.upstream.onCancel = down
    const expiresAt = scene.clock.ms / 1000 + 30
    scene.canceller.cancelUnrecorded({ ...unrecorded, expiresAt })
    scene.canceller.cancelUnrecorded({ ...unrecorded, id: sessionId('cksess_10') })
    await scene.canceller.settled()
    expect(Math.max(...(await triesIn(700)))).toBeLessThan(600)
    const triedOf = (id: string) => scene.upstream.cancels.filter((one) => one === id).length
    expect(triedOf('cksess_9')).toBeLessThan(12)
    expect(triedOf('cksess_10')).toBeGreaterThan(100)
  })

  test('waits behind others after it failed, which are not tried while the upstream is down', async () => {
    scene.upstream.onCancel = down
    const ids = Array.from({ length: 40 }, (_, at) => sessionId(`cksess_${at}`))
    for (const id of ids) scene.canceller.cancelUnrecorded({ ...unrecorded, id })
    await scene.canceller.settled()
    scene.upstream.cancels.length = 0
    await triesIn(1)
    expect(scene.upstream.cancels).toEqual(ids.slice(0, 16))
    scene.upstream.onCancel = (id) => (id === 'cksess_16' ? down() : undefined)
    await triesIn(11)
    expect(scene.upstream.ended.size).toBe(39)
  })

  test('is one of 16 at a time, also when a round begins before the one before has ended', async () => {
    scene.upstream.onCancel = down
    for (let at = 0; at < 40; at++) {
      scene.canceller.cancelUnrecorded({ ...unrecorded, id: sessionId(`cksess_${at}`) })
    }
    await scene.canceller.settled()
    scene.upstream.cancels.length = 0
    const { promise, resolve } = Promise.withResolvers<void>()
    scene.upstream.onCancel = () => promise
    for (let round = 0; round < 2; round++) {
      scene.clock.ms += 6000
      await scene.canceller.workOutbox()
    }
    expect(scene.upstream.cancels).toHaveLength(16)
    resolve()
    await scene.canceller.settled()
  })

  test('is not tried again once it is cancelled', async () => {
    scene.upstream.onCancel = () => {
      scene.upstream.onCancel = () => undefined
      return down()
    }
    scene.canceller.cancelUnrecorded(unrecorded)
    await scene.canceller.settled()
    expect(scene.upstream.cancels).toHaveLength(2)
    expect(scene.upstream.ended).toEqual(new Set(['cksess_9']))
  })
})
