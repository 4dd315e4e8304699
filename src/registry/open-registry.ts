// Opens the registry that `STORE_URL` names.
import type { Log } from '../lib/log.ts'
import type { Registry } from './port.ts'
import type { RedisLocation } from './redis/client.ts'
import type { OwnersMove } from './sqlite/move-owners.ts'

/** Where a registry lives, and by that which adapter it is. */
export type RegistryLocation =
  | { readonly kind: 'memory' }
  | { readonly kind: 'sqlite'; readonly path: string }
  | ({ readonly kind: 'redis' } & RedisLocation)

/**
 * The registry at a place; to be closed by who opened it. Each adapter is loaded only where it
 * is used.
 *
 * @param location - as `STORE_URL` has it
 * @param log - for what a store has to say while it runs
 * @param moves - ownership records that a file may have from versions that kept them by workflow
 * @throws `StoreUnusableError` when a file cannot be opened, written or understood. Redis may be away:
 * its methods then say so
 */
export async function openRegistry(
  location: RegistryLocation,
  log: Log,
  moves: readonly OwnersMove[] = [],
): Promise<Registry> {
  switch (location.kind) {
    case 'memory':
    case 'sqlite': {
      const { createSqliteRegistry } = await import('./sqlite.ts')
      const path = location.kind === 'memory' ? ':memory:' : location.path
      return createSqliteRegistry({ path, moves, log })
    }
    case 'redis': {
      const { createRedisRegistry } = await import('./redis.ts')
      const { url, cluster, replicas } = location
      return createRedisRegistry({ url, cluster, replicas, log })
    }
  }
}
