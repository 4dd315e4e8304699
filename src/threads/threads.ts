import type { CallOptions } from '../chatkit/port.ts'
import { listOf } from '../chatkit/wire/pages.ts'
import type { Thread, ThreadDeleted, ThreadItemPage, ThreadPage } from '../chatkit/wire/thread.ts'
import type { ListQuery } from '../chatkit/wire/wire.ts'
import { ServiceError } from '../lib/errors.ts'
import type { Registry } from '../registry/port.ts'
import type { CursorScope } from './cursors.ts'
import { type FoundThread, findThread } from './find-thread.ts'
import { listItemsOf } from './items.ts'
import { listMerged } from './list-merged.ts'
import { listOne } from './list-one.ts'
import type { Foreign } from './source-page.ts'
import type { ThreadSource } from './sources.ts'

/** Which threads. `after` and `before` are what a page's `last_id` and `first_id` are good for. */
export interface ThreadsQuery {
  /** 0..100. */
  readonly limit: number
  readonly order: 'asc' | 'desc'
  readonly after?: string | undefined
  readonly before?: string | undefined
  /** Name in the config: threads of its source only; of all sources when absent. */
  readonly workflow?: string | undefined
}

/**
 * Threads of all workflows, as one list. Calls about one thread ask every source, wait for all of
 * them, and answer the same for a thread of someone else as for one that does not exist.
 *
 * All of them throw what the port throws; besides: `invalid_request` for a cursor that is of nothing
 * on the caller's list; `not_found`; `workflow_not_allowed` for a `workflow` that is not in the config.
 */
export interface Threads {
  readonly sources: readonly ThreadSource[]

  /** The user's own threads. */
  listOwn(user: string, query: ThreadsQuery, call?: CallOptions): Promise<ThreadPage>
  retrieveOwn(user: string, id: string, call?: CallOptions): Promise<Thread>
  listOwnItems(
    user: string,
    thread: { readonly id: string; readonly query: ListQuery },
    call?: CallOptions,
  ): Promise<ThreadItemPage>
  deleteOwn(user: string, id: string, call?: CallOptions): Promise<ThreadDeleted>

  /** For admins: of one user, or of everyone. */
  list(
    query: ThreadsQuery & { readonly user?: string | undefined },
    call?: CallOptions,
  ): Promise<ThreadPage>
  /** For admins: whoever's it is. */
  find(id: string, call?: CallOptions): Promise<FoundThread>
  /** Throws `not_found` when the thread has changed hands since it was found. */
  listItems(found: FoundThread, query: ListQuery, call?: CallOptions): Promise<ThreadItemPage>
  /** Throws `not_found` when the thread has changed hands since it was found. */
  delete(found: FoundThread, call?: CallOptions): Promise<ThreadDeleted>
}

/** What {@link createThreads} needs. */
export interface ThreadsOptions {
  readonly sources: readonly ThreadSource[]
  readonly registry: Pick<Registry, 'keptKey'>
  /** `size` random bytes. */
  readonly randomBytes: (size: number) => Uint8Array
  /** Told when an upstream shows what is not of the user, or the thread, that was asked for. */
  readonly onForeign: (foreign: Foreign) => void
}

const KEY_BYTES = 32

/**
 * @param options - where threads are, the key for cursors, whom to tell
 */
export function createThreads(options: ThreadsOptions): Threads {
  const { sources, onForeign } = options
  const key = createKey(options)

  async function list(
    kind: CursorScope['kind'],
    { workflow, user, ...rest }: ThreadsQuery & { readonly user?: string | undefined },
    call: CallOptions | undefined,
  ): Promise<ThreadPage> {
    const query = { ...rest, user }
    const chosen = sourcesOf(sources, workflow)
    const [only, ...others] = chosen
    if (only === undefined || others.length > 0) {
      return listMerged({ sources: chosen, kind, key, query }, { call, onForeign })
    }
    return listOf(await listOne(only, query, { call, onForeign }))
  }

  return {
    sources,
    listOwn: (user, query, call) => list('own', { ...query, user }, call),
    async retrieveOwn(user, id, call) {
      return (await findThread(sources, { id, user }, call)).thread
    },
    async listOwnItems(user, { id, query }, call) {
      return listItemsOf(await findThread(sources, { id, user }, call), query, { call, onForeign })
    },
    async deleteOwn(user, id, call) {
      return deleteFound(await findThread(sources, { id, user }, call), call)
    },
    list: (query, call) => list('any', query, call),
    find: (id, call) => findThread(sources, { id }, call),
    listItems: (found, query, call) => listItemsOf(found, query, { call, onForeign }),
    delete: deleteFound,
  }
}

/** Kept in the store, so that a cursor of one instance is good at another; asked for when needed. */
function createKey({ registry, randomBytes }: ThreadsOptions): () => Promise<Uint8Array> {
  let known: Uint8Array | undefined
  return async () => {
    known ??= await registry.keptKey('thread-cursors', () => randomBytes(KEY_BYTES))
    return known
  }
}

function sourcesOf(
  sources: readonly ThreadSource[],
  workflow: string | undefined,
): readonly ThreadSource[] {
  if (workflow === undefined) return sources
  const chosen = sources.filter(({ workflows }) => workflows.includes(workflow))
  if (chosen.length > 0) return chosen
  throw new ServiceError('workflow_not_allowed', { reason: 'no such workflow in the config' })
}

async function deleteFound(
  { thread, source }: FoundThread,
  call: CallOptions | undefined,
): Promise<ThreadDeleted> {
  const { id, user: asUser } = thread
  const answer = await source.chatkit.deleteThread(id, { ...call, asUser })
  if (answer.id === id && answer.deleted) {
    return { id, object: 'chatkit.thread.deleted', deleted: true }
  }
  throw new ServiceError('upstream_invalid_response', {
    reason: 'a delete that was answered, and not done, or of another thread',
  })
}
