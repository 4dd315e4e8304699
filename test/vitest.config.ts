import { globSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { configDefaults, defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'
import { EVENTUALLY_MS } from './support/eventually.ts'

/** Tests that compare times of a service under all the load it can take: nothing else runs beside them. */
const ALONE = ['test/faults/{bad-tokens,herd}.test.ts', 'test/floods/**/*.test.ts']

/**
 * Tests that hold a promise in seconds, or count what runs during a request, timers of a busy process included.
 * They mostly wait: three of them leave each other enough of two cores.
 */
const TIMED = [
  'test/faults/half-open.test.ts',
  'test/process/{overload,redis-outage}.test.ts',
  'test/{gateway,self-hosted}/thousand-streams.test.ts',
  'test/walk/walk.test.ts',
]

/** Tests that need a process of their own: they replace globals, load it for seconds, or see all its memory or timers. */
const ISOLATED = [
  'test/{client,race}/**/*.test.ts',
  'test/faults/{identity-provider,sqlite,upstream}.test.ts',
  'test/lib/log/output.test.ts',
  'test/process/{crash,user-data}.test.ts',
]

/**
 * Tests without a process, browser or Redis: `npm run test:quick`. Files share the modules of their worker, which
 * halves the time, so none of them may change what another one imports.
 */
const QUICK = [
  'test/*.test.ts',
  'test/{authenticate,chatkit,config,lib,map,mint,outbox,revoke,threads}/**/*.test.ts',
  'test/http/**/*.test.ts',
  'test/docs/{guides,log-fields,names,pages,reference,search,store,web-guides}.test.ts',
  'test/registry/{audit,memory,sqlite}.test.ts',
]

/** Tests in these folders that start a Redis, or wait for many seconds. */
const NOT_QUICK = [
  'test/chatkit/hosted/lanes.test.ts',
  'test/http/admin/{holds,many-sessions,store,user-erase}.test.ts',
  'test/http/backend/stores.test.ts',
  'test/http/deadline.test.ts',
  'test/http/server/slow-clients.test.ts',
]

/**
 * Files that take ten seconds to a minute. They begin first, so that none runs alone at the end of its group; those that
 * wait stand between those that compute, and those of a project together, as another project needs new workers.
 */
const LONG = [
  'browser/docs',
  'browser/console',
  'guides/quick-starts',
  'http/admin/holds',
  'process/user-data',
  'bench/bench',
  'process/drain',
  'browser/demo',
  'deploy/image',
  'registry/redis-causes',
  'cli/audit/verify',
  'http/admin/many-sessions',
  'process/start-up',
  'process/several-instances',
  'registry/redis',
  'faults/upstream',
  'race/processes',
  'faults/identity-provider',
  'race/plants',
  'process/crash',
  'race/redis',
  'faults/sqlite',
  'race/sqlite',
  'http/server/slow-clients',
  'cost/cost',
  'registry/redis-replicas',
  'doctor/doctor',
  'http/deadline',
  'process/redis-failover',
  'process/tracing',
  'administer/export',
  'process/redis-outage',
]

class LongFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification) => {
      const at = LONG.findIndex((name) => moduleId.endsWith(`/${name}.test.ts`))
      return at === -1 ? LONG.length : at
    }
    return (await super.sort(files)).toSorted((one, other) => rank(one) - rank(other))
  }
}

const root = fileURLToPath(new URL('..', import.meta.url))
const quick = globSync(QUICK, {
  cwd: root,
  exclude: [...NOT_QUICK, ...ALONE, ...TIMED, ...ISOLATED],
})

const common = {
  root,
  testTimeout: 40_000,
  hookTimeout: 60_000,
  expect: { poll: { timeout: EVENTUALLY_MS } },
  pool: 'forks',
  // Many wait for a process or a time-out: more files at a time than there are cores.
  maxWorkers: 4,
} as const

export default defineConfig({
  test: {
    root: common.root,
    sequence: { sequencer: LongFirst },
    projects: [
      { test: { ...common, name: 'quick', include: quick, isolate: false } },
      {
        test: {
          ...common,
          name: 'together',
          include: ['test/**/*.test.ts'],
          exclude: [...configDefaults.exclude, ...ALONE, ...TIMED, ...ISOLATED, ...quick],
          isolate: false,
        },
      },
      { test: { ...common, name: 'isolated', include: ISOLATED } },
      {
        test: {
          ...common,
          name: 'timed',
          include: TIMED,
          maxWorkers: 3,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          ...common,
          name: 'alone',
          include: ALONE,
          maxWorkers: 1,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
})
