import { createMemoryRegistry } from '../../src/registry/memory.ts'
import { registryContract } from '../contracts/registry.ts'

registryContract('memory', async () => {
  const registry = createMemoryRegistry()
  return { open: async () => registry, close: () => registry.close() }
})
