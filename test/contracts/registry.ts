import { describe } from 'vitest'
import { plain } from '../support/ids.ts'
import { forEachTest } from '../support/started.ts'
import { auditSuite } from './registry-audit.ts'
import { concurrencySuite } from './registry-concurrency.ts'
import { countersSuite } from './registry-counters.ts'
import { endsSuite } from './registry-ends.ts'
import { eraseSuite } from './registry-erase.ts'
import type { ContractStore } from './registry-fixtures.ts'
import { intervalFiguresSuite } from './registry-interval-figures.ts'
import { knownUsersSuite } from './registry-known-users.ts'
import { listsSuite } from './registry-lists.ts'
import { mintSuite } from './registry-mint.ts'
import { outboxSuite } from './registry-outbox.ts'
import { ownedListsSuite } from './registry-owned-lists.ts'
import { ownershipSuite } from './registry-ownership.ts'
import { revokeSuite } from './registry-revoke.ts'
import { runningAnswersSuite } from './registry-running-answers.ts'
import { sweepSuite } from './registry-sweep.ts'
import { usesSuite } from './registry-uses.ts'

/**
 * Tests every guarantee of registry/port.ts on one adapter.
 *
 * @param name - of the adapter
 * @param makeStore - an empty store, for each test anew
 */
export function registryContract(name: string, makeStore: () => Promise<ContractStore>): void {
  describe(`${name} as a registry`, () => {
    const store = forEachTest(makeStore)
    const registry = forEachTest(async () => plain(await store.open()))
    const suite = {
      registry,
      instances: async () => [registry, plain(await store.open()), plain(await store.open())],
    }
    mintSuite(suite)
    revokeSuite(suite)
    outboxSuite(suite)
    usesSuite(suite)
    runningAnswersSuite(suite)
    ownershipSuite(suite)
    ownedListsSuite(suite)
    listsSuite(suite)
    knownUsersSuite(suite)
    countersSuite(suite)
    intervalFiguresSuite(suite)
    auditSuite(suite)
    sweepSuite(suite)
    endsSuite(suite)
    eraseSuite(suite)
    concurrencySuite(suite)
  })
}
