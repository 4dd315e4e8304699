import type { Log } from '../lib/log.ts'
import { createMemoryRegistry } from './memory.ts'
import type { Registry } from './port.ts'
import type { RedisLocation } from './redis/client.ts'
import { createSqliteRegistry } from './sqlite.ts'

/** Where a registry lives, and by that which adapter it is. */
export type RegistryLocation =
  | { readonly kind: 'memory' }
  | { readonly kind: 'sqlite'; readonly path: string }
  | ({ readonly kind: 'redis' } & RedisLocation)

/**
 * The registry at a place; to be closed by who opened it. The client for Redis is loaded only for it:
 * it takes as long to load as the store itself.
 *
 * @param location - as `STORE_URL` has it
 * @param log - for what a store has to say while it runs
 * @throws `StoreUnusableError` when a file cannot be opened, written or understood. Redis may be away:
 * its methods then say so
 */
export async function openRegistry(location: RegistryLocation, log: Log): Promise<Registry> {
  switch (location.kind) {
    case 'memory':
      return createMemoryRegistry()
    case 'sqlite':
      return createSqliteRegistry({ path: location.path })
    case 'redis': {
      const { createRedisRegistry } = await import('./redis.ts')
      return createRedisRegistry({ url: location.url, cluster: location.cluster, log })
    }
  }
}
