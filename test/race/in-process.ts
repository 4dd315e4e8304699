// An instance in the process of the test, with a turn before and after each call of its store.
import { ServiceError } from '../../src/lib/errors.ts'
import type { Registry } from '../../src/registry/port.ts'
import { createInstance } from './instance.ts'
import type { StartInstance, Surroundings } from './world.ts'

/** A fault put into the code under test, to see that it is found. */
export interface Plant {
  readonly registry?: (registry: Registry) => Registry
  /** The same, for creates and cancels by key alone. */
  readonly backendRegistry?: (registry: Registry) => Registry
  /** Cancels that fail look confirmed. */
  readonly believesEveryCancel?: boolean
}

/**
 * An instance in this process, whose every step waits for its turn.
 *
 * @param registry - its connection to the store, which survives it
 */
export function inProcess(registry: Registry, plant: Plant = {}): StartInstance {
  return (surroundings) => {
    const { turn, chatkit, cap, now } = surroundings
    const interruptedRegistry = interrupted(registry, surroundings)
    const perform = createInstance({
      registry: plant.registry?.(interruptedRegistry) ?? interruptedRegistry,
      backendRegistry: plant.backendRegistry?.(interruptedRegistry),
      chatkit: (workflow) => believing(plant, chatkit(workflow)),
      pause: () => turn('pause'),
      cap,
      now,
    })
    return { perform }
  }
}

/** Before and after each call of the store, others get their turn. */
function interrupted(registry: Registry, { steps, turn, storeFaults }: Surroundings): Registry {
  return new Proxy(registry, {
    get(target, name: string & keyof Registry) {
      const method = Reflect.get(target, name) as (...given: unknown[]) => Promise<unknown>
      return async (...given: unknown[]) => {
        await turn(name)
        const fault = storeFaults.shift()
        if (fault === 'refuse') throw storeDown()
        const result = await steps.real(() => method(...given))
        await turn(`${name} is answered`)
        if (fault === 'lose') throw storeDown()
        return result
      }
    },
  })
}

function storeDown(): ServiceError {
  return new ServiceError('store_unavailable', { reason: 'fault' })
}

type Client = ReturnType<Surroundings['chatkit']>

function believing({ believesEveryCancel }: Plant, client: Client): Client {
  if (!believesEveryCancel) return client
  return { ...client, cancelSession: (id) => client.cancelSession(id).catch(() => null) }
}
