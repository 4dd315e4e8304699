import { globSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { configDefaults, defineConfig } from 'vitest/config'

/** Tests that measure, load a process, or hold a promise in seconds: nothing else runs beside them. */
const ALONE = [
  'test/{bench,cost,race,walk}/**/*.test.ts',
  'test/faults/{bad-tokens,endings,half-open,herd}.test.ts',
  'test/process/{crash,drain,overload,redis-outage,user-data}.test.ts',
  'test/registry/redis*.test.ts',
  'test/self-hosted/{process,redis,thousand-streams}.test.ts',
  'test/gateway/{streams*,thousand-streams}.test.ts',
]

/** Tests that wait, for a browser, a slow client or a time-out: as many at a time as there are cores. */
const IN_PAIRS = [
  'test/browser/**/*.test.ts',
  'test/faults/{identity-provider,sqlite,upstream}.test.ts',
  'test/http/admin/many-sessions.test.ts',
  'test/http/server/slow-clients.test.ts',
  'test/process/several-instances.test.ts',
  'test/security/upstream.test.ts',
]

/**
 * Tests without a process, browser or Redis: `npm run test:quick`. Files share the modules of their worker, which
 * halves the time, so none of them may change what another one imports.
 */
const QUICK = [
  'test/*.test.ts',
  'test/{authenticate,chatkit,config,lib,map,mint,outbox,revoke,threads}/**/*.test.ts',
  'test/http/**/*.test.ts',
  'test/docs/{guides,pages,store}.test.ts',
  'test/registry/{audit,memory,sqlite}.test.ts',
]

/** Of these folders, the tests that wait for time-outs. */
const NOT_QUICK = [
  'test/chatkit/hosted/lanes.test.ts',
  'test/http/admin/{holds,store,user-erase}.test.ts',
  'test/http/{deadline,problems}.test.ts',
]

const root = fileURLToPath(new URL('..', import.meta.url))
const quick = globSync(QUICK, { cwd: root, exclude: [...NOT_QUICK, ...ALONE, ...IN_PAIRS] })

const common = {
  root,
  testTimeout: 20_000,
  hookTimeout: 30_000,
  pool: 'forks',
} as const

export default defineConfig({
  test: {
    root: common.root,
    projects: [
      {
        test: {
          ...common,
          name: 'quick',
          include: quick,
          isolate: false,
          maxWorkers: 3,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          ...common,
          name: 'together',
          include: ['test/**/*.test.ts'],
          exclude: [...configDefaults.exclude, ...ALONE, ...IN_PAIRS, ...quick],
          // Many wait for time-outs: more files at a time than there are cores.
          maxWorkers: 3,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          ...common,
          name: 'in pairs',
          include: IN_PAIRS,
          maxWorkers: 2,
          sequence: { groupOrder: 2 },
        },
      },
      {
        test: {
          ...common,
          name: 'alone',
          include: ALONE,
          maxWorkers: 1,
          sequence: { groupOrder: 3 },
        },
      },
    ],
  },
})
