// Reads the threads of all workflows, as one list or one by one. Calls about one thread ask every source, wait for
// all of them, and answer a thread of someone else like one that does not exist.

import type { CallOptions } from '../chatkit/port.ts'
import type { Thread, ThreadDeleted, ThreadItemPage, ThreadPage } from '../chatkit/wire/thread.ts'
import type { ListQuery } from '../chatkit/wire/wire.ts'
import { ServiceError } from '../lib/errors.ts'
import type { ThreadId } from '../lib/ids.ts'
import type { Registry } from '../registry/port.ts'
import type { CursorScope } from './cursors.ts'
import { type FoundThread, findThread, type LocatedThread, locateThread } from './find-thread.ts'
import { listItemsOf } from './items.ts'
import { mergedList } from './merged-list.ts'
import { singleList } from './single-list.ts'
import type { SourceQuery } from './source-reader.ts'
import type { ThreadSource } from './sources.ts'

interface AnyonesQuery extends Omit<SourceQuery, 'user'> {
  /** Threads of everyone when absent. */
  readonly user?: string | undefined
  /** Only threads of this workflow's source; those of all sources when absent. */
  readonly workflow?: string | undefined
}

type OwnQuery = Omit<AnyonesQuery, 'user'>

export type Threads = ReturnType<typeof createThreads>

const CURSOR_KEY_BYTES = 32

/**
 * Every function throws the errors of the port. Besides: `invalid_request` for a cursor of nothing on the caller's
 * list and for `before` on a list of several sources; `not_found`; and `workflow_not_allowed` for a `workflow` that
 * is not in the config.
 */
export function createThreads({
  sources,
  registry,
  randomBytes,
}: {
  readonly sources: readonly ThreadSource[]
  readonly registry: Pick<Registry, 'keptKey' | 'ownersOf'>
  readonly randomBytes: (size: number) => Uint8Array
}) {
  let cursorKey: Uint8Array | undefined

  async function list(
    kind: CursorScope['kind'],
    { workflow, user, ...rest }: AnyonesQuery,
    call: CallOptions | undefined,
  ): Promise<ThreadPage> {
    const query = { ...rest, user }
    const chosen = workflow === undefined ? sources : [sourceOf(sources, workflow)]
    const [only, another] = chosen
    if (only !== undefined && another === undefined) return singleList(only, query, call)
    // Kept in the store, so that every instance accepts the cursors of all.
    cursorKey ??= await registry.keptKey('thread-cursors', () => randomBytes(CURSOR_KEY_BYTES))
    return mergedList({ sources: chosen, kind, query, key: cursorKey }, call)
  }

  return {
    /** The user's own threads. */
    listOwn: (user: string, query: OwnQuery, call?: CallOptions): Promise<ThreadPage> =>
      list('own', { ...query, user }, call),

    async retrieveOwn(user: string, id: ThreadId, call?: CallOptions): Promise<Thread> {
      return (await findThread(sources, { id, user }, call)).thread
    },

    async listOwnItems(
      user: string,
      { id, query }: { readonly id: ThreadId; readonly query: ListQuery },
      call?: CallOptions,
    ): Promise<ThreadItemPage> {
      return listItemsOf(await findThread(sources, { id, user }, call), query, call)
    },

    async deleteOwn(user: string, id: ThreadId, call?: CallOptions): Promise<ThreadDeleted> {
      return deleteLocated(await locateThread({ sources, registry }, { id, user }, call), call)
    },

    /** For admins: threads of one user, or of everyone. */
    list: (query: AnyonesQuery, call?: CallOptions): Promise<ThreadPage> =>
      list('any', query, call),

    /** For admins: a thread of any user. */
    find: (id: ThreadId, call?: CallOptions): Promise<FoundThread> =>
      findThread(sources, { id }, call),

    /** Throws `not_found` when the thread's user has changed since it was found. */
    listItems: listItemsOf,

    /** For admins: the owner of a thread that is to be deleted. */
    locate: (id: ThreadId, call?: CallOptions): Promise<LocatedThread> =>
      locateThread({ sources, registry }, { id }, call),

    /** Throws `not_found` when the thread's user has changed since it was located. */
    delete: deleteLocated,
  }
}

function sourceOf(sources: readonly ThreadSource[], workflow: string): ThreadSource {
  const source = sources.find(({ workflows }) => workflows.some((name) => name === workflow))
  if (source !== undefined) return source
  throw new ServiceError('workflow_not_allowed', { reason: 'no such workflow in the config' })
}

/** @throws `upstream_invalid_response` when the answer does not say that this thread is gone */
export async function deleteLocated(
  { id, user, source }: LocatedThread,
  call?: CallOptions,
): Promise<ThreadDeleted> {
  const answer = await source.chatkit.deleteThread(id, { ...call, asUser: user })
  if (answer.id === id && answer.deleted) {
    return { id, object: 'chatkit.thread.deleted', deleted: true }
  }
  throw new ServiceError('upstream_invalid_response', {
    reason: 'the answer does not confirm the delete',
  })
}
