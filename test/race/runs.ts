// Sets how many interleavings a test tries and how long it may take, and reports the result.
import fc from 'fast-check'
import { expect } from 'vitest'
import type { World } from './world.ts'

const FULL = process.env['RACE_RUNS']

/**
 * How many interleavings are tried.
 *
 * @param usual - in every test run; `npm run test:race` asks for more
 * @param share - of what `npm run test:race` asks for, where a run is slow
 */
export function raceRuns(usual: number, share = 1): number {
  return FULL === undefined ? usual : Math.max(usual, Math.ceil(Number(FULL) * share))
}

/** Milliseconds that this number of runs may take: enough for a slow machine, but a hang must end. */
export function patience(runs: number): number {
  return 60_000 + runs * 400
}

/** Fails with the shortest order of events that was found. */
export function expectNothingFound<T>(details: fc.RunDetails<T>): void {
  if (details.failed)
    throw new Error(`${details.errorInstance}\n${fc.defaultReportMessage(details)}`)
}

/** Counts how deeds end, to check that the races reach the cases that matter. */
export function countOutcomes() {
  const counts = new Map<string, number>()
  const count = (name: string) => counts.set(name, (counts.get(name) ?? 0) + 1)
  return {
    add(world: World): void {
      for (const { order, result, error, createdAt } of world.deeds) {
        const outcome = error ?? (result === undefined ? 'crashed' : 'ok')
        const kind = 'byKey' in order && order.byKey ? `${order.kind} by key` : order.kind
        count(`${kind}: ${outcome}`)
        if (error && createdAt !== undefined) count(`${kind}: ${error} after the upstream call`)
        if (order.kind === 'mint' && order.current && result) count('mint: refreshed')
      }
    },
    expectEach(least: number, names: readonly string[]): void {
      const rare = names.filter((name) => (counts.get(name) ?? 0) < least)
      expect(rare, JSON.stringify(Object.fromEntries(counts))).toEqual([])
    },
  }
}
