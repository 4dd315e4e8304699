import { expect, test } from 'vitest'
import { createPacedTask } from '../../../src/authenticate/keys/paced-task.ts'
import { stoppedClock } from '../../support/issuer-settings.ts'

function setUp() {
  const clock = stoppedClock()
  const runs: (() => void)[] = []
  const run = () => new Promise<void>((resolve) => void runs.push(resolve))
  const task = createPacedTask({ run, pauseMs: () => 5000, now: clock.now })
  return { clock, runs, task }
}

test('runs once in each pause, counted from start to start', async () => {
  const { clock, runs, task } = setUp()
  const first = task.runIfAllowed()
  clock.advance(4)
  runs[0]?.()
  await first
  clock.advance(0.999)
  await task.runIfAllowed()
  expect(runs).toHaveLength(1)
  clock.advance(0.001)
  void task.runIfAllowed()
  expect(runs).toHaveLength(2)
})

test('a run that takes longer than the pause is joined, not repeated', async () => {
  const { clock, runs, task } = setUp()
  const joined: string[] = []
  const first = task.runIfAllowed().then(() => joined.push('first'))
  clock.advance(60)
  const second = task.runIfAllowed().then(() => joined.push('second'))
  await Promise.resolve()
  expect({ runs: runs.length, joined }).toEqual({ runs: 1, joined: [] })
  runs[0]?.()
  await Promise.all([first, second])
  expect(joined.sort()).toEqual(['first', 'second'])
})

test('a clock that is set back does not stop it', async () => {
  const { clock, runs, task } = setUp()
  const first = task.runIfAllowed()
  runs[0]?.()
  await first
  clock.advance(-3600)
  void task.runIfAllowed()
  expect(runs).toHaveLength(2)
})
