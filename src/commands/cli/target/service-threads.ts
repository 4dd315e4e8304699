// Threads through this service, in the shape of the ChatKit API.

import type { ChatKit } from '../../../chatkit/port.ts'
import { thread, threadDeleted, threadItemPage, threadPage } from '../../../chatkit/wire/thread.ts'
import type { ThreadListQuery } from '../../../chatkit/wire/wire.ts'
import { expectAnswer, type ServiceClient } from './service-client.ts'

/** The four operations on threads, wherever they are. */
export interface ThreadCalls
  extends Pick<ChatKit, 'retrieveThread' | 'deleteThread' | 'listThreadItems'> {
  /** @param query - `workflow` only where the service is asked */
  listThreads(
    query: ThreadListQuery & { workflow?: string | undefined },
  ): ReturnType<ChatKit['listThreads']>
}

/**
 * Threads through this service, any user's: its answers have the ChatKit API's shapes.
 *
 * @param service - as an admin
 */
export function serviceThreads(service: ServiceClient): ThreadCalls {
  const path = '/v1/admin/threads'
  return {
    async listThreads(query) {
      return expectAnswer(threadPage, await service.call(`GET ${path}`, { query }))
    },
    async retrieveThread(id) {
      return expectAnswer(thread, await service.call(`GET ${path}/${id}`))
    },
    async deleteThread(id) {
      return expectAnswer(threadDeleted, await service.call(`DELETE ${path}/${id}`))
    },
    async listThreadItems(id, query) {
      return expectAnswer(threadItemPage, await service.call(`GET ${path}/${id}/items`, { query }))
    },
  }
}
