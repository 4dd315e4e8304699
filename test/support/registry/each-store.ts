import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, beforeEach, describe } from 'vitest'
import { makeSigningKeys } from '../../../src/chatkit/signing/signing-keys.ts'
import { type Running, startService } from '../running-service.ts'
import { scratchFolder } from '../scratch-folder.ts'
import { forAllTests } from '../started.ts'
import { startRedis, wantsRedis } from './redis.ts'

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

/**
 * The same tests on SQLite, and on Redis where the machine has it.
 *
 * @param name - `%s` stands for the store
 * @param tests - declares them; `env` is asked while they run
 */
export function describeSqliteAndRedis(
  name: string,
  tests: (env: () => Readonly<Record<string, string>>) => void,
): void {
  describe(name.replace('%s', 'SQLite'), () => {
    const STORE_URL = `sqlite:${join(scratchFolder(), 'store.db')}`
    tests(() => ({ STORE_URL }))
  })
  describe.runIf(wantsRedis())(name.replace('%s', 'Redis'), () => {
    const redis = forAllTests(() => startRedis())
    const SIGNING_KEY_FILE = join(scratchFolder(), 'keys.json')
    beforeAll(async () => writeFileSync(SIGNING_KEY_FILE, makeSigningKeys()))
    tests(() => ({ STORE_URL: redis.url, SIGNING_KEY_FILE }))
  })
}
