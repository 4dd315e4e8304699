import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { scratchFolder } from '../support/scratch-folder.ts'
import { NODE } from '../support/service-process.ts'
import { readOptions, UsageError } from './options.ts'
import { slopeOf } from './parts/memory.ts'
import { median, percentile, ratio } from './report/statistics.ts'
import { findSides } from './sides.ts'

// Checks that the bench runs and counts; it does not judge the figures.

const ENTRY = fileURLToPath(new URL('./bench.ts', import.meta.url))
/** Exit code of `bench.ts` when a request failed. */
const EX_SOFTWARE = 70
/** Cores' worth of foreign work beyond which Redis stalls for longer than the service waits for it. */
const BUSY = 0.5

const json = join(scratchFolder(), 'figures.json')
const COMMAND = ['--quick', '--rounds=1', '--scale=0.02', '--only=cpu,latency,start,install-size']

test('a short run has every side in its table, and no failure', { timeout: 120_000 }, () => {
  const ran = spawnSync(NODE, [ENTRY, ...COMMAND, '--json', json], { encoding: 'utf8' })
  const found = JSON.parse(readFileSync(json, 'utf8'))
  const failures: string[] = found.failures
  expect(ran.status).toBe(failures.length === 0 ? 0 : EX_SOFTWARE)
  const busy = found.othersCores > BUSY
  expect(failures.filter((failure) => !(busy && failure.startsWith('redis:')))).toEqual([])
  expect(Object.keys(found.reports)).toEqual(['cpu', 'latency', 'start', 'install-size'])
  const skipped = [...ran.stdout.matchAll(/^Skipped: (\w+)/gm)].map(([, name]) => name)
  const ours = ['the limit: node:http', '**chatkit-mint**, memory', '**chatkit-mint**, SQLite']
  const redis = skipped.includes('redis') ? [] : ['**chatkit-mint**, Redis']
  const others = ['the limit, jose', 'plain Hono', 'Express', 'the official starter']
  const fastapi = skipped.includes('fastapi') ? [] : ['FastAPI']
  const sidesOf = { cpu: [...ours, ...redis, ...others, ...fastapi], latency: [...ours, ...redis] }
  for (const [part, sides] of Object.entries(sidesOf)) {
    const [table = ''] = found.reports[part].tables
    expect(ran.stdout).toContain(table)
    for (const side of sides) {
      const row = table.split('\n').find((line: string) => line.startsWith(`| ${side}`))
      expect(row).toMatch(/\| \d+/)
    }
  }
})

test('a run of some sides has no other ones', () => {
  const { only, sides } = readOptions(['--only=latency', '--sides=limit,sqlite'])
  expect(only).toEqual(['latency'])
  const found = findSides({ redis: false, only: sides })
  expect(found.sides.map(({ name }) => name)).toEqual(['limit', 'sqlite'])
  expect(found.missing).toEqual([])
})

test('a command line that makes no sense is refused', () => {
  for (const wrong of ['--only=speed', '--rounds=0', '--scale=x', '--fast']) {
    expect(() => readOptions([wrong])).toThrow(UsageError)
  }
})

test('median, percentile, ratio and slope are computed as defined', () => {
  expect(median([3, 1, 2])).toBe(2)
  expect(median([4, 1, 2, 3])).toBe(2.5)
  expect(percentile([5, 1, 2, 3, 4], 0.99)).toBe(5)
  expect(percentile([5, 1, 2, 3, 4], 0.5)).toBe(3)
  expect(ratio([10, 40, 30], [10, 20, 10])).toBe(2)
  const rising = [0, 1, 2, 3].map((minutes) => ({ minutes, megabytes: 100 + 2 * minutes }))
  expect(slopeOf(rising)).toBeCloseTo(2)
})
