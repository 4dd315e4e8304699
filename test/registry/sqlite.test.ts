import { join } from 'node:path'
import type { Registry } from '../../src/registry/port.ts'
import { createSqliteRegistry } from '../../src/registry/sqlite.ts'
import { registryContract } from '../contracts/registry.ts'
import { scratchFolder } from '../support/scratch-folder.ts'

registryContract('sqlite', async () => {
  const folder = scratchFolder()
  const opened: Registry[] = []
  return {
    async open() {
      const registry = createSqliteRegistry({ path: join(folder, 'mint.db') })
      opened.push(registry)
      return registry
    },
    async close() {
      for (const registry of opened) await registry.close()
    },
  }
})
