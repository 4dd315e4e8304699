import { afterEach, expect, test, vi } from 'vitest'
import { createHousekeeping } from '../../src/outbox/housekeeping.ts'
import {
  cancelling,
  createScene,
  many,
  NOW_SECONDS,
  order,
  type Scene,
  unavailable,
} from '../mint/scene.ts'
import { forEachTest } from '../support/started.ts'

const scene = forEachTest(() => createScene(many))

afterEach(() => {
  vi.useRealTimers()
})

const retention = { sessionsHours: 24, auditDays: 30, usersDays: 400 }

/** Timers stay real until the scene is set up, because the registry's writes wait for a timer. */
function keep({ registry, canceller, clock, log }: Scene) {
  vi.useFakeTimers()
  return createHousekeeping({ registry, canceller, retention, now: () => clock.ms, log })
}

test('housekeeping empties a long outbox without a pause between its batches', async () => {
  await cancelling(scene, 640)
  scene.clock.ms += 5_000
  const housekeeping = keep(scene)
  housekeeping.start()
  await vi.advanceTimersByTimeAsync(600)
  expect(scene.upstream.ended.size).toBe(640)
  await housekeeping.stop()
  expect(vi.getTimerCount()).toBe(0)
})

test('housekeeping goes on after an outage of the store, which it logs once', async () => {
  let isDown = true
  const scene = createScene({
    ...many,
    registry: (real) => ({
      claimCancels: (claim) =>
        isDown ? Promise.reject(unavailable('store')) : real.claimCancels(claim),
    }),
  })
  await cancelling(scene, 1)
  scene.clock.ms += 5_000
  const housekeeping = keep(scene)
  housekeeping.start()
  await vi.advanceTimersByTimeAsync(5_000)
  expect(scene.logText().match(/outbox failed/g)).toHaveLength(1)
  expect(scene.logText()).toMatch(/"reason":"[^"]+".*outbox failed/)
  expect(scene.logText()).not.toContain('"stack"')
  isDown = false
  await vi.advanceTimersByTimeAsync(1_000)
  expect(scene.upstream.ended.size).toBe(1)
  expect(scene.logText()).toContain('outbox works again')
  await housekeeping.stop()
})

test('housekeeping stops when the round under way has ended', async () => {
  await cancelling(scene, 1)
  scene.clock.ms += 5_000
  const held = Promise.withResolvers<void>()
  scene.upstream.onCancel = () => held.promise
  const housekeeping = keep(scene)
  housekeeping.start()
  await vi.advanceTimersByTimeAsync(600)
  const stopped = vi.fn()
  void housekeeping.stop().then(stopped)
  await vi.advanceTimersByTimeAsync(1_000)
  expect(stopped).not.toHaveBeenCalled()
  held.resolve()
  await vi.advanceTimersByTimeAsync(60_000)
  expect(stopped).toHaveBeenCalled()
  expect(scene.upstream.cancels).toHaveLength(1)
  expect(vi.getTimerCount()).toBe(0)
})

test('housekeeping removes sessions that ended before the retention', async () => {
  const scene = createScene()
  await scene.mint(order())
  const housekeeping = keep(scene)
  housekeeping.start()
  scene.clock.ms += 600_000 + 24 * 3_600_000 + 1000
  await vi.advanceTimersByTimeAsync(61_000)
  expect(await scene.real.getSession('cksess_1')).toBeUndefined()
  const stopped = vi.fn()
  void housekeeping.stop().then(stopped)
  // The sweep goes on with other tables, and each of its writes waits for a timer.
  while (stopped.mock.calls.length === 0) await vi.advanceTimersByTimeAsync(1_000)
})

test('housekeeping keeps each kind of record for as long as the config says', async () => {
  const sweep = vi.fn(async () => {})
  const housekeeping = keep(createScene({ registry: () => ({ sweep }) }))
  housekeeping.start()
  await vi.advanceTimersByTimeAsync(61_000)
  await housekeeping.stop()
  expect(sweep).toHaveBeenCalledExactlyOnceWith({
    sessionsEndedBefore: NOW_SECONDS - 24 * 3600,
    auditBefore: NOW_SECONDS - 30 * 86_400,
    usersSeenBefore: NOW_SECONDS - 400 * 86_400,
    now: NOW_SECONDS,
  })
})
