// Races on SQLite in memory: the statements of sqlite.test.ts on one connection, so fewer of them.
import { expect, test } from 'vitest'
import { createSqliteRegistry } from '../../src/registry/sqlite.ts'
import { inProcess } from './in-process.ts'
import { race } from './race.ts'
import { countOutcomes, expectNothingFound, patience, raceRuns } from './runs.ts'

const RUNS = raceRuns(400)

test(
  `no order of events among three instances breaks a promise (memory, ${RUNS} interleavings)`,
  async () => {
    const outcomes = countOutcomes()
    const observer = createSqliteRegistry({ path: ':memory:' })
    const instance = inProcess(observer)
    const instances = [instance, instance, instance]
    const details = await race({
      runs: RUNS,
      onEnd: outcomes.add,
      store: () => ({ instances, observer }),
    })
    await observer.close()
    expectNothingFound(details)
    expect(details.numRuns).toBe(RUNS)
    outcomes.expectEach(RUNS / 200, [
      'mint: ok',
      'mint: refreshed',
      'mint: user_blocked',
      'mint: user_blocked after the upstream call',
      'mint: invalid_token after the upstream call',
      'mint: session_limit',
      'mint: crashed',
      'mint by key: ok',
      'mint by key: request_timeout after the upstream call',
      'mint by key: user_blocked',
      'mint by key: session_limit',
      'cancel by key: ok',
      'revoke: ok',
      'revoke: crashed',
      'sign_out: ok',
      'logout: ok',
      'outbox: crashed',
    ])
  },
  patience(RUNS),
)
