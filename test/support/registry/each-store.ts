import { join } from 'node:path'
import { beforeEach, describe } from 'vitest'
import { type Running, startService } from '../running-service.ts'
import { scratchFolder } from '../scratch-folder.ts'
import { forAllTests } from '../started.ts'

/** Environments for the stores that a behaviour is shown on: memory, and SQLite in a new file. */
export function eachStore(): readonly (readonly [string, Readonly<Record<string, string>>])[] {
  return [
    ['memory', { STORE_URL: 'memory:' }],
    ['SQLite', { STORE_URL: `sqlite:${join(scratchFolder(), 'store.db')}` }],
  ]
}

/**
 * The same tests on each store, with one service for all of them. Before each test the upstream has
 * neither faults nor requests.
 *
 * @param name - `%s` stands for the store
 * @param config - YAML of the service
 * @param tests - declares them
 */
export function describeEachStore(
  name: string,
  config: string,
  tests: (running: Running) => void,
): void {
  describe.each(eachStore())(name, (_store, env) => {
    const running = forAllTests(() => startService({ config, env }))
    beforeEach(() => {
      running.upstream.setFaults({})
      running.upstream.clearRequests()
    })
    tests(running)
  })
}
