import { setTimeout as sleep } from 'node:timers/promises'
import { ServiceError } from '../../../src/lib/errors.ts'
import type { Registry } from '../../../src/registry/port.ts'

const PATIENCE_MS = 10_000

/**
 * A registry that asks again while its store does not answer in time, which happens on a machine
 * that runs other tests. Every call may be repeated; registry/port.ts says so.
 *
 * @param registry - for a test's own questions, not for the code under test
 */
export function patient(registry: Registry): Registry {
  return new Proxy(registry, {
    get(target, name: string & keyof Registry) {
      const method = Reflect.get(target, name) as (...given: unknown[]) => Promise<unknown>
      return async (...given: unknown[]) => {
        for (const end = performance.now() + PATIENCE_MS; ; await sleep(20)) {
          try {
            return await method(...given)
          } catch (error) {
            const down = error instanceof ServiceError && error.code === 'store_unavailable'
            if (!down || performance.now() > end) throw error
          }
        }
      }
    },
  })
}
