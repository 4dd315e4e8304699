import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createAdaptorServer } from '@hono/node-server'
import { Hono } from 'hono'
import { Agent } from 'undici'
import { createSelfHosted } from '../../src/chatkit/self-hosted.ts'
import { createServerThreads } from '../../src/chatkit/server-threads.ts'
import { makeSigningKeys, readSigningKeys } from '../../src/chatkit/signing-keys.ts'
import { ApiError, toResponse } from '../../src/embedded/chatkit-api/api-error.ts'
import { addEndpoint } from '../../src/embedded/chatkit-server/endpoint.ts'
import type { ServerEnv } from '../../src/embedded/chatkit-server/middleware.ts'
import { createSampleStore } from '../../src/embedded/chatkit-server/store.ts'
import { createMemoryRegistry } from '../../src/registry/memory.ts'
import { chatkitContract, type SeededThread } from '../contracts/chatkit.ts'

/** The sample server's endpoint over a store that the test can fill with what it likes. */
async function startSeedable() {
  const store = createSampleStore(Date.now)
  const app = new Hono<ServerEnv>()
  app.use(async (context, next) => {
    context.set('bytes', new Uint8Array(await context.req.arrayBuffer()))
    await next()
  })
  addEndpoint(app, { store, wordMs: 0 })
  app.onError((error) => {
    return toResponse(error instanceof ApiError ? error : new ApiError(500, error.message))
  })
  const listener = createAdaptorServer({ fetch: app.fetch }).listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const url = `http://127.0.0.1:${(listener.address() as AddressInfo).port}/chatkit`
  return { store, url, listener }
}

function seed(
  { store }: Pick<Awaited<ReturnType<typeof startSeedable>>, 'store'>,
  { title, texts = [] }: SeededThread,
): string {
  const thread = store.createThread()
  thread.title = title ?? null
  for (const text of texts) {
    const content = [{ type: 'output_text' as const, text, annotations: [] }]
    store.save(thread, store.newItem(thread, { type: 'assistant_message', content }))
  }
  return thread.id
}

async function makeContract() {
  const server = await startSeedable()
  const keys = await readSigningKeys(await makeSigningKeys(), 'test')
  const registry = createMemoryRegistry()
  const dispatcher = new Agent({ allowH2: false })
  const parts = { workflow: 'helpdesk', issuer: 'https://mint.test', keys, now: Date.now }
  const threads = createServerThreads({ ...parts, server: server.url, dispatcher, registry })
  return {
    chatkit: createSelfHosted({ ...parts, threads }),
    params: (user: string) => ({ user, workflow: { id: 'helpdesk' } }),
    async seedThread(thread: SeededThread) {
      const id = seed(server, thread)
      const { user } = thread
      const createdAt = Math.floor(Date.now() / 1000)
      await registry.claimOwnership({ workflow: 'helpdesk', kind: 'thread', id, user, createdAt })
      return { id }
    },
    async close() {
      await dispatcher.destroy()
      server.listener.close()
    },
  }
}

chatkitContract('the self-hosted adapter', makeContract, 'nobody')
