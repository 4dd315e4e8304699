import { afterAll, beforeAll, describe } from 'vitest'
import { createLog } from '../../src/lib/log.ts'
import { Secret } from '../../src/lib/secret.ts'
import type { Registry } from '../../src/registry/port.ts'
import { createRedisRegistry } from '../../src/registry/redis.ts'
import { registryContract } from '../contracts/registry.ts'
import { allowDocumentedUser, DOCUMENTED_USER } from '../support/registry/documented-user.ts'
import { startCluster, startRedis, type TestRedis, wantsRedis } from '../support/registry/redis.ts'
import { forAllTests } from '../support/started.ts'

const log = createLog({ level: 'silent' })

/**
 * Connects as the user of deploy.md, which may run only the documented commands. These tests check the
 * semantics, with a longer deadline because the machine may be busy; redis-faults.test.ts checks the deadline.
 */
async function emptyStore(nodes: readonly TestRedis[], cluster: boolean) {
  const [first] = nodes
  if (first === undefined) throw new Error('no Redis')
  await Promise.all(nodes.map((node) => node.flush()))
  const opened: Registry[] = []
  return {
    async open() {
      const url = new Secret(first.url.replace('//', `//${DOCUMENTED_USER}@`))
      const registry = createRedisRegistry({ url, cluster, replicas: 0, log, callMs: 5_000 })
      opened.push(registry)
      await answering(registry)
      return registry
    },
    async close() {
      for (const registry of opened) await registry.close()
    },
  }
}

/** Waits until a new instance is connected: before that, every call is refused. */
async function answering(registry: Registry): Promise<void> {
  for (let tries = 0; tries < 400; tries++) {
    try {
      return await registry.check()
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }
  await registry.check()
}

describe.runIf(wantsRedis())('one node', () => {
  const node = forAllTests(() => startRedis())
  beforeAll(() => allowDocumentedUser(node))
  registryContract('redis', () => emptyStore([node], false))
})

describe.runIf(wantsRedis())('three nodes', () => {
  let nodes: readonly TestRedis[] = []
  beforeAll(async () => {
    nodes = await startCluster()
    for (const node of nodes) await allowDocumentedUser(node, ['+cluster|slots'])
  })
  afterAll(() => Promise.all(nodes.map((node) => node.close())))
  registryContract('redis cluster', () => emptyStore(nodes, true))
})
