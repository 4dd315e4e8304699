import type { Dispatcher } from 'undici'
import type { Clock } from '../../lib/clock.ts'
import { eachBounded } from '../../lib/concurrency.ts'
import { ServiceError } from '../../lib/errors.ts'
import { OBJECT_ID } from '../../lib/ids.ts'
import type { CallOptions, ChatKit } from '../port.ts'
import { serverFault } from '../protocol/server-call.ts'
import { type ServerItem, serverItemPage, serverThread } from '../protocol/thread.ts'
import { toWireItem, toWireThread } from '../protocol/to-wire.ts'
import type { SigningKeys } from '../signing/signing-keys.ts'
import { collect, type Fetched, listOf } from '../wire/pages.ts'
import type { Thread, ThreadDeleted, ThreadItemPage, ThreadPage } from '../wire/thread.ts'
import type { ListQuery, ThreadListQuery } from '../wire/wire.ts'
import { type Ask, type AskServer, createAskServer } from './ask.ts'
import { deleteAtServer } from './delete.ts'

/** The thread calls of a self-hosted workflow, through the server's own protocol. */
export interface ServerThreads {
  readonly list: ChatKit['listThreads']
  readonly retrieve: ChatKit['retrieveThread']
  readonly remove: ChatKit['deleteThread']
  readonly items: ChatKit['listThreadItems']
}

/** Something of this workflow, as the records of ownership know it. */
interface OwnedThread {
  readonly workflow: string
  readonly kind: 'thread'
  readonly id: string
}

/** The records of ownership, as far as thread calls need them. */
export interface ThreadOwners {
  ownersOf(things: readonly OwnedThread[]): Promise<readonly (string | undefined)[]>
  listOwned(query: {
    readonly workflow: string
    readonly kind: 'thread'
    readonly user?: string | undefined
    readonly limit: number
    readonly order: 'asc' | 'desc'
    readonly after?: string | undefined
    readonly before?: string | undefined
  }): Promise<
    | {
        readonly data: readonly { readonly id: string; readonly user: string }[]
        readonly hasMore: boolean
      }
    | undefined
  >
  releaseOwnership(thing: OwnedThread): Promise<void>
}

/** What {@link createServerThreads} needs. */
export interface ServerThreadsOptions {
  /** URL of the ChatKit server's endpoint. */
  readonly server: string
  /** Name in the config. */
  readonly workflow: string
  readonly keys: Pick<SigningKeys, 'sign'>
  /** `PUBLIC_URL`. */
  readonly issuer: string
  readonly dispatcher: Dispatcher
  readonly registry: ThreadOwners
  readonly now: Clock
}

interface Deps extends ServerThreadsOptions {
  readonly askServer: AskServer
}

/** How many threads of a list are read at a time. */
const PARALLEL = 8

/**
 * The records of ownership say whose a thread is and which there are; the server, asked as its owner,
 * what is in it. A thread that the server no longer has is left out of lists, and its record is left
 * alone: a server that has lost its way must not cost anyone their threads.
 *
 * @param options - server, identity, records
 */
export function createServerThreads(options: ServerThreadsOptions): ServerThreads {
  const deps = { ...options, askServer: createAskServer(options) }
  return {
    list: (query, call) =>
      deps.askServer('list_threads', call, (ask) => listThreads(deps, ask, query)),
    retrieve: (id, call) =>
      deps.askServer('retrieve_thread', call, (ask) => retrieveThread(deps, ask, of(id, call))),
    remove: (id, call) =>
      deps.askServer('delete_thread', call, (ask) => deleteThread(deps, ask, of(id, call))),
    items: (id, query, call: CallOptions | undefined) =>
      deps.askServer('list_thread_items', call, (ask) =>
        listItems(deps, ask, { ...of(id, call), query }),
      ),
  }
}

/** A thread that is asked about. */
interface AskedThread {
  readonly id: string
  /** Whose it has to be; anyone's when undefined. */
  readonly asUser: string | undefined
}

function of(id: string, call: CallOptions | undefined): AskedThread {
  return { id, asUser: call?.asUser }
}

async function listThreads(deps: Deps, ask: Ask, query: ThreadListQuery): Promise<ThreadPage> {
  const { registry, workflow } = deps
  const { user, ...asked } = query
  return listOf(
    await collect(asked, async (part): Promise<Fetched<Thread>> => {
      const order = part.order ?? 'desc'
      const owned = await registry.listOwned({ ...part, order, user, workflow, kind: 'thread' })
      if (owned === undefined) throw badCursor()
      const found = new Map<string, Thread>()
      await eachBounded(owned.data, PARALLEL, async ({ id, user: owner }) => {
        const thread = await readThread(ask, id, owner)
        if (thread !== undefined) found.set(id, thread)
      })
      const entries = owned.data.map(({ id }) => ({ id, value: found.get(id) }))
      return { entries, hasMore: owned.hasMore }
    }),
  )
}

async function retrieveThread(deps: Deps, ask: Ask, asked: AskedThread): Promise<Thread> {
  const user = await ownerOf(deps, asked)
  const thread = await readThread(ask, asked.id, user)
  if (thread === undefined) throw notFound('the server does not have the thread')
  return thread
}

/** Undefined when the server does not have it. */
async function readThread(ask: Ask, id: string, user: string): Promise<Thread | undefined> {
  try {
    const thread = await ask(
      user,
      { type: 'threads.get_by_id', params: { thread_id: id } },
      serverThread,
    )
    if (thread.id === id) return toWireThread(thread, user)
  } catch (error) {
    if (error instanceof ServiceError && error.code === 'not_found') return undefined
    throw error
  }
  throw serverFault('upstream_invalid_response', 'another thread than was asked for')
}

async function deleteThread(deps: Deps, ask: Ask, asked: AskedThread): Promise<ThreadDeleted> {
  const user = await ownerOf(deps, asked)
  const { id } = asked
  const record = { workflow: deps.workflow, kind: 'thread', id } as const
  await deleteAtServer(ask, {
    user,
    question: { type: 'threads.delete', params: { thread_id: id } },
    release: () => deps.registry.releaseOwnership(record),
  })
  return { id, object: 'chatkit.thread.deleted', deleted: true }
}

async function listItems(
  deps: Deps,
  ask: Ask,
  asked: AskedThread & { readonly query: ListQuery },
): Promise<ThreadItemPage> {
  const user = await ownerOf(deps, asked)
  const { id, query } = asked
  const page = await collect(query, async (part) => {
    // The protocol has no `before`: what precedes a place is what follows it the other way round.
    const backwards = part.before !== undefined && part.after === undefined
    const { order = 'desc', limit } = part
    const after = backwards ? part.before : part.after
    const way = backwards ? opposite(order) : order
    const params = { thread_id: id, limit, order: way, ...(after !== undefined && { after }) }
    const hasCursor = after !== undefined
    const answer = await ask(user, { type: 'items.list', params, hasCursor }, serverItemPage)
    return itemsOf(answer, { ...part, backwards })
  })
  return listOf(page)
}

function itemsOf(
  { data, has_more }: { readonly data: readonly ServerItem[]; readonly has_more: boolean },
  part: ListQuery & { readonly backwards: boolean },
) {
  const end = part.backwards ? -1 : data.findIndex(({ id }) => id === part.before)
  const cut = end < 0 ? data : data.slice(0, end)
  const entries = cut.map((item) => ({ id: item.id, value: toWireItem(item) }))
  return {
    entries: part.backwards ? entries.reverse() : entries,
    hasMore: end < 0 && has_more,
  }
}

function opposite(order: 'asc' | 'desc'): 'asc' | 'desc' {
  return order === 'asc' ? 'desc' : 'asc'
}

async function ownerOf({ registry, workflow }: Deps, { id, asUser }: AskedThread): Promise<string> {
  if (!OBJECT_ID.test(id)) {
    throw new ServiceError('invalid_request', { reason: 'an id with characters ids do not have' })
  }
  const [owner] = await registry.ownersOf([{ workflow, kind: 'thread', id }])
  if (owner === undefined) throw notFound('a thread of nobody')
  if (asUser !== undefined && owner !== asUser) throw notFound('a thread of another user')
  return owner
}

function notFound(reason: string): ServiceError {
  return new ServiceError('not_found', { reason })
}

function badCursor(): ServiceError {
  return new ServiceError('invalid_request', { reason: 'a cursor of nothing on the list' })
}
