import { createSqliteRegistry } from '../../src/registry/sqlite.ts'
import { registryContract } from '../contracts/registry.ts'

registryContract('memory', async () => {
  const registry = createSqliteRegistry({ path: ':memory:' })
  return { open: async () => registry, close: () => registry.close() }
})
