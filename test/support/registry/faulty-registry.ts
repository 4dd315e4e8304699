import { setTimeout as sleep } from 'node:timers/promises'
import { ServiceError } from '../../../src/lib/errors.ts'
import type { Registry } from '../../../src/registry/port.ts'

/** A registry whose calls can be made to fail or to take their time. */
export interface FaultyRegistry extends Registry {
  /** Names of methods that throw `store_unavailable` instead of doing anything; `*` for all. */
  readonly failing: Set<keyof Registry | '*'>
  /** Names of methods that do their work and then throw: the answer got lost. */
  readonly losing: Set<keyof Registry>
  /** Milliseconds before each call. */
  slowMs: number
  /** Names of the methods called so far. */
  readonly calls: (keyof Registry)[]
}

export function createFaultyRegistry(real: Registry): FaultyRegistry {
  const failing = new Set<keyof Registry | '*'>()
  const losing = new Set<keyof Registry>()
  const calls: (keyof Registry)[] = []
  const state = { failing, losing, calls, slowMs: 0 }
  const down = () => new ServiceError('store_unavailable', { reason: 'planted' })
  return new Proxy(state as unknown as FaultyRegistry, {
    get(target, name: keyof FaultyRegistry) {
      if (name in target) return Reflect.get(target, name)
      const method = name as keyof Registry
      const work: unknown = real[method]
      const asksNothing = method === 'close' || method === 'waitedMs'
      if (typeof work !== 'function' || asksNothing) return work
      return async (...given: unknown[]) => {
        calls.push(method)
        if (target.slowMs > 0) await sleep(target.slowMs)
        if (failing.has('*') || failing.has(method)) throw down()
        const result: unknown = await work(...given)
        if (losing.has(method)) throw down()
        return result
      }
    },
  })
}
