import { Agent } from 'undici'
import { createSelfHosted } from '../../../src/chatkit/self-hosted/adapter.ts'
import { makeSigningKeys, readSigningKeys } from '../../../src/chatkit/signing/signing-keys.ts'
import { createSqliteRegistry } from '../../../src/registry/sqlite.ts'
import { chatkitContract, type SeededThread } from '../../contracts/chatkit.ts'
import { startSampleServer } from '../../support/chatkit/sample-server.ts'
import { plain, userId, workflowName } from '../../support/ids.ts'

async function makeContract() {
  const server = await startSampleServer()
  const keys = readSigningKeys(makeSigningKeys(), 'test')
  const registry = createSqliteRegistry({ path: ':memory:' })
  const dispatcher = new Agent({ allowH2: false })
  const source = 'helpdesk'
  const workflow = {
    name: workflowName('helpdesk'),
    server: server.url,
    uploadUrl: undefined,
    threadsAt: source,
  }
  const at = { workflow, publicUrl: 'https://mint.test' }
  return {
    chatkit: plain(createSelfHosted({ ...at, keys, dispatcher, registry, now: Date.now })),
    params: (user: string) => ({ user, workflow: { id: 'helpdesk' } }),
    async seedThread(thread: SeededThread) {
      const { id } = server.seed(thread)
      const { user } = thread
      const createdAt = Math.floor(Date.now() / 1000)
      await registry.claimOwnership({ source, kind: 'thread', id, user: userId(user), createdAt })
      return { id }
    },
    async close() {
      await dispatcher.destroy()
      await server.close()
    },
  }
}

chatkitContract('the self-hosted adapter', makeContract, 'nobody')
