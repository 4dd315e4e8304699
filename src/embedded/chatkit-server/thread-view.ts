import type { ServerItem, ServerThread } from '../../chatkit/protocol/thread.ts'
import type { ServerPage } from './page.ts'
import type { SampleThread } from './store.ts'

/**
 * A thread as the protocol has it.
 *
 * @param thread - to show
 * @param page - of its items; none when absent, as in lists and events
 */
export function asThread(thread: SampleThread, page?: ServerPage<ServerItem>): ServerThread {
  const { id, title, created_at, status } = thread
  const { data = [], has_more = false, after = null } = page ?? {}
  return {
    id,
    title,
    created_at,
    status,
    metadata: {},
    items: { data: [...data], has_more, after },
  }
}
