import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { cancelling, createScene, many, unavailable } from '../mint/scene.ts'
import { sessionId, workflowName } from '../support/ids.ts'

// Bounds on the calls and writes that thousands of sessions cost.

test('overlapping calls share the 64 lanes, and a small call does not wait for a large one', async () => {
  const scene = createScene(many)
  const sessions = await cancelling(scene, 640)
  scene.upstream.onCancel = () => sleep(5)
  let done = 0
  const large = scene.canceller.cancelAll(sessions).then(() => {
    done += 1
  })
  await sleep(1)
  await scene.canceller.cancelAll(sessions.slice(-1))
  expect(done).toBe(0)
  await Promise.all([large, scene.canceller.cancelAll(sessions)])
  expect(scene.upstream.mostUnderWay).toBe(64)
})

test('the outbox does not try a session that a running call has yet to try', async () => {
  const scene = createScene(many)
  const sessions = await cancelling(scene, 200)
  scene.upstream.onCancel = () => sleep(5)
  const call = scene.canceller.cancelAll(sessions)
  scene.clock.ms += 5_000
  for (let n = 0; n < 4; n++) await scene.canceller.workOutbox()
  await call
  expect(scene.upstream.cancels).toHaveLength(200)
})

test('the outbox does not try a session whose confirmation is being written', async () => {
  const writing = Promise.withResolvers<void>()
  const written = Promise.withResolvers<void>()
  const scene = createScene({
    ...many,
    registry: (real) => ({
      async confirmCancel(...confirmed) {
        writing.resolve()
        await written.promise
        await real.confirmCancel(...confirmed)
      },
    }),
  })
  const call = scene.canceller.cancelAll(await cancelling(scene, 3))
  await writing.promise
  scene.clock.ms += 5_000
  expect(await scene.canceller.workOutbox()).toBe(3)
  written.resolve()
  await call
  expect(scene.upstream.cancels).toHaveLength(3)
})

test('in an outage, a session does not cost a write per attempt', async () => {
  const postponed: string[] = []
  const scene = createScene({
    ...many,
    registry: (real) => ({
      async postponeCancel(id, dueAtMs) {
        postponed.push(id)
        await real.postponeCancel(id, dueAtMs)
      },
    }),
  })
  const sessions = await cancelling(scene, 1000)
  // One error for all attempts: each new one is logged with a stack of its own.
  const outage = unavailable('upstream')
  scene.upstream.onCancel = () => Promise.reject(outage)
  await scene.canceller.cancelAll(sessions)
  expect(postponed).toHaveLength(256)
  let tried = 0
  for (let second = 0; second < 60; second++) {
    scene.clock.ms += 1000
    for (let due = 64; due === 64; ) {
      due = await scene.canceller.workOutbox()
      tried += due
    }
  }
  expect(tried).toBeGreaterThan(10_000)
  expect(postponed).toHaveLength(256)
  scene.upstream.onCancel = () => undefined
  scene.clock.ms += 5_000
  while ((await scene.canceller.workOutbox()) > 0);
  expect(scene.upstream.ended.size).toBe(1000)
})

test('10,000 sessions that no outbox has are kept for later tries; a further one is left to expire', async () => {
  const scene = createScene(many)
  const outage = unavailable('upstream')
  scene.upstream.onCancel = () => Promise.reject(outage)
  for (let at = 0; at <= 10_000; at++) {
    const id = sessionId(`cksess_${at}`)
    scene.canceller.cancelUnrecorded({ id, workflow: workflowName('support'), state: undefined })
  }
  await scene.canceller.settled()
  expect(scene.logText().split('it is tried until it expires')).toHaveLength(10_001)
  expect(scene.logText().split('so it is left to expire')).toHaveLength(2)
})
