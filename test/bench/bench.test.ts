import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { scratchFolder } from '../support/scratch-folder.ts'
import { NODE } from '../support/service-process.ts'
import { readOptions, UsageError } from './options.ts'
import { slopeOf } from './parts/memory.ts'
import { median, percentile, ratio } from './report/statistics.ts'

// That the bench runs and counts; what it measures is for its readers.

const ENTRY = new URL('./bench.ts', import.meta.url).pathname
/** What `bench.ts` exits with when a request failed. */
const EX_SOFTWARE = 70
/** Cores' worth of foreign work beyond which Redis stalls for longer than the service waits for it. */
const BUSY = 0.5

function bench(...commandLine: readonly string[]) {
  const json = join(scratchFolder(), 'figures.json')
  const shortest = ['--quick', '--rounds=1', '--scale=0.05', '--json', json]
  const ran = spawnSync(NODE, [ENTRY, ...shortest, ...commandLine], { encoding: 'utf8' })
  return { ...ran, found: JSON.parse(readFileSync(json, 'utf8')) }
}

test('a short run has every side in its table, and no failure', { timeout: 120_000 }, () => {
  const { stdout, status, found } = bench('--only=cpu,start,install-size')
  const failures: string[] = found.failures
  expect(status).toBe(failures.length === 0 ? 0 : EX_SOFTWARE)
  const busy = found.othersCores > BUSY
  expect(failures.filter((failure) => !(busy && failure.startsWith('redis:')))).toEqual([])
  const rows = stdout.split('\n').filter((line) => line.startsWith('| '))
  const skipped = [...stdout.matchAll(/^Skipped: (\w+)/gm)].map(([, name]) => name)
  const titles = { redis: '**chatkit-mint**, Redis', fastapi: 'FastAPI' }
  for (const title of [
    ...['the limit: node:http', 'the limit, jose', 'plain Hono', 'Express', 'the official starter'],
    ...['**chatkit-mint**, memory', '**chatkit-mint**, SQLite'],
    ...Object.entries(titles).flatMap(([name, title]) => (skipped.includes(name) ? [] : title)),
  ]) {
    expect(rows.find((row) => row.startsWith(`| ${title}`))).toMatch(/\| \d+/)
  }
  expect(Object.keys(found.reports)).toEqual(['cpu', 'start', 'install-size'])
})

test('a run of some sides has their latencies', {
  timeout: 60_000,
}, () => {
  const { stdout, status, found } = bench('--only=latency', '--sides=limit,sqlite')
  expect([status, found.failures]).toEqual([0, []])
  const rows = stdout.split('\n').filter((line) => line.startsWith('| '))
  for (const title of ['the limit: node:http', '**chatkit-mint**, SQLite']) {
    expect(rows.find((row) => row.startsWith(`| ${title}`))).toMatch(/\| \d+/)
  }
})

test('a command line that makes no sense is refused', () => {
  for (const wrong of ['--only=speed', '--rounds=0', '--scale=x', '--fast']) {
    expect(() => readOptions([wrong])).toThrow(UsageError)
  }
})

test('statistics', () => {
  expect(median([3, 1, 2])).toBe(2)
  expect(median([4, 1, 2, 3])).toBe(2.5)
  expect(percentile([5, 1, 2, 3, 4], 0.99)).toBe(5)
  expect(percentile([5, 1, 2, 3, 4], 0.5)).toBe(3)
  expect(ratio([10, 40, 30], [10, 20, 10])).toBe(2)
  const rising = [0, 1, 2, 3].map((minutes) => ({ minutes, megabytes: 100 + 2 * minutes }))
  expect(slopeOf(rising)).toBeCloseTo(2)
})
