// Reads and deletes threads through this service, with the interface of the ChatKit API.

import type { ChatKit } from '../../../chatkit/port.ts'
import { thread, threadDeleted, threadItemPage, threadPage } from '../../../chatkit/wire/thread.ts'
import type { ThreadListQuery } from '../../../chatkit/wire/wire.ts'
import { expectAnswer, type ServiceClient } from './service-client.ts'

/** The four operations on threads, for the ChatKit API and for this service. */
export interface ThreadCalls
  extends Pick<ChatKit, 'retrieveThread' | 'deleteThread' | 'listThreadItems'> {
  /** @param query - `workflow` only for this service */
  listThreads(
    query: ThreadListQuery & { workflow?: string | undefined },
  ): ReturnType<ChatKit['listThreads']>
}

/** Threads through this service, any user's: its answers have the ChatKit API's shapes. */
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
