// Opens the registry that `STORE_URL` names.

import type { Log } from '../lib/log.ts'
import type { Registry } from './port.ts'
import type { RedisLocation } from './redis/link/client.ts'
import type { OwnersMove } from './sqlite/move-owners.ts'

/** The place of a registry; `kind` selects the adapter. */
type RegistryLocation =
  | { readonly kind: 'memory' }
  | { readonly kind: 'sqlite'; readonly path: string }
  | ({ readonly kind: 'redis' } & RedisLocation)

/**
 * Opens a registry, which the caller closes. Only the code of the adapter in use is loaded.
 *
 * @param moves - moves ownership records that earlier versions kept by workflow; SQLite files only
 * @throws `StoreUnusableError` when a file cannot be opened, written or understood. Redis may be away:
 * its methods then throw `store_unavailable`
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
