import { fileURLToPath } from 'node:url'
import { configDefaults, defineConfig } from 'vitest/config'

/** Tests that measure, load a process, or hold a promise in seconds: nothing else runs beside them. */
const ALONE = [
  'test/{bench,browser,cost,faults,race}/**/*.test.ts',
  'test/process/{crash,drain,overload,redis-outage,several-instances,user-data}.test.ts',
  'test/registry/redis*.test.ts',
  'test/self-hosted/{process,redis,thousand-streams}.test.ts',
  'test/gateway/streams*.test.ts',
  'test/http/{admin-many-sessions,slow-clients}.test.ts',
]

const common = {
  root: fileURLToPath(new URL('..', import.meta.url)),
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
          name: 'together',
          include: ['test/**/*.test.ts'],
          exclude: [...configDefaults.exclude, ...ALONE],
          // Many wait for time-outs: more files at a time than there are cores.
          maxWorkers: 3,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          ...common,
          name: 'alone',
          include: ALONE,
          maxWorkers: 1,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
})
