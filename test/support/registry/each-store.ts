import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, beforeEach, describe } from 'vitest'
import { makeSigningKeys } from '../../../src/chatkit/signing/signing-keys.ts'
import { type Running, startService } from '../running-service.ts'
import { scratchFolder } from '../scratch-folder.ts'
import { forAllTests } from '../started.ts'
import { startRedis, wantsRedis } from './redis.ts'

/** Environment of SQLite in a new file. `memory:` is the same code without a file; both run the registry's contract. */
export function onSqlite(): Readonly<Record<string, string>> {
  return { STORE_URL: `sqlite:${join(scratchFolder(), 'store.db')}` }
}

/**
 * A service on SQLite for the tests of the file or `describe` around the call. Before each of them the upstream has
 * neither faults nor requests.
 *
 * @param config - YAML
 */
export function serviceOnSqlite(config: string): Running {
  const env = onSqlite()
  const running = forAllTests(() => startService({ config, env }))
  beforeEach(() => {
    running.upstream.setFaults({})
    running.upstream.clearRequests()
  })
  return running
}

/**
 * The same tests on SQLite, and on Redis where the machine has it.
 *
 * @param name - `%s` stands for the store
 * @param tests - declares them; `env` is asked while they run
 */
export function describeEachStore(
  name: string,
  tests: (env: () => Readonly<Record<string, string>>) => void,
): void {
  describe(name.replace('%s', 'SQLite'), () => {
    const env = onSqlite()
    tests(() => env)
  })
  describe.runIf(wantsRedis())(name.replace('%s', 'Redis'), () => {
    const redis = forAllTests(() => startRedis())
    const SIGNING_KEY_FILE = join(scratchFolder(), 'keys.json')
    beforeAll(async () => writeFileSync(SIGNING_KEY_FILE, makeSigningKeys()))
    tests(() => ({ STORE_URL: redis.url, SIGNING_KEY_FILE }))
  })
}
