// Threads, items and attachments of a self-hosted server. The ownership records say which exist and who owns
// each; their content is requested from the server in the owner's name.

import { isCode, ServiceError } from '../../lib/errors.ts'
import type { ThreadId, UserId } from '../../lib/ids.ts'
import type { CallOptions, ChatKitOperation } from '../port.ts'
import { removeAddresses } from '../protocol/file-address.ts'
import { fileFieldsOfAnswer } from '../protocol/file-fields.ts'
import { serverFault } from '../protocol/server-fault.ts'
import { anyPage, type ServerItem } from '../protocol/thread.ts'
import { toWireItem } from '../protocol/to-wire.ts'
import { collect, listOf, MAX_LIMIT } from '../wire/pages.ts'
import type { Thread, ThreadDeleted, ThreadItemPage } from '../wire/thread.ts'
import type { ListQuery } from '../wire/wire.ts'
import type { Ask, Question } from './ask.ts'
import { createItemPages } from './item-pages.ts'
import { readThread } from './list-threads.ts'
import type { OwnedServer, OwnershipRecords, ServerThing } from './owned-server.ts'

/** Asked as the thread's owner, whoever that is. */
export function retrieveThread(
  { source, registry, askServer }: OwnedServer,
  id: ThreadId,
  call: CallOptions | undefined,
): Promise<Thread> {
  const owned = { source, kind: 'thread', id } as const
  return askServer('retrieve_thread', call, async (ask) => {
    const user = await ownerOf(owned, registry, call)
    return readThread(ask, id, user)
  })
}

/** {@link deleteOwned} */
export async function deleteThread(
  server: OwnedServer,
  id: ThreadId,
  call: CallOptions | undefined,
): Promise<ThreadDeleted> {
  const thing = { source: server.source, kind: 'thread', id } as const
  const question = { type: 'threads.delete', params: { thread_id: id } } as const
  await deleteOwned(server, { operation: 'delete_thread', thing, question }, call)
  return { id, object: 'chatkit.thread.deleted', deleted: true }
}

/** {@link deleteOwned} */
export function deleteAttachment(
  server: OwnedServer,
  id: string,
  call: CallOptions | undefined,
): Promise<void> {
  const question = { type: 'attachments.delete', params: { attachment_id: id } } as const
  const thing = { source: server.source, kind: 'attachment', id } as const
  return deleteOwned(server, { operation: 'delete_attachment', thing, question }, call)
}

interface OwnedDelete {
  readonly operation: ChatKitOperation
  readonly thing: ServerThing
  /** The server's own delete call. */
  readonly question: Question
}

/**
 * Deletes something at the server, then its ownership record. A thing that the server no longer has counts as deleted.
 * A 404 counts only from a server that can list threads, because without the record nobody finds the thing
 * again: a wrong path, or a proxy without the server behind it, answers 404 to everything.
 *
 * @throws `not_found` when nobody owns it, or a user other than `asUser`; `upstream_rejected` when no ChatKit
 * server answers at the address
 */
function deleteOwned(
  { registry, askServer }: OwnedServer,
  { operation, thing, question }: OwnedDelete,
  call: CallOptions | undefined,
): Promise<void> {
  return askServer(operation, call, async (ask) => {
    const user = await ownerOf(thing, registry, call)
    try {
      await ask(user, question)
    } catch (error) {
      if (!isCode(error, 'not_found')) throw error
      await requireServer(ask, user)
    }
    await registry.releaseOwnership({ ...thing, user })
  })
}

async function requireServer(ask: Ask, user: string): Promise<void> {
  try {
    await ask(user, { type: 'threads.list', params: { limit: 1 } }, anyPage)
  } catch (error) {
    if (!isCode(error, 'not_found')) throw error
    throw serverFault('upstream_rejected', 'the server answers 404 to threads.list, too')
  }
}

/**
 * Asked as the thread's owner, whoever that is. Addresses under the server's origins are left out: a signed
 * link belongs to a session, and this call has none.
 */
export function listItems(
  { source, registry, askServer, urls }: OwnedServer,
  { id, query }: { readonly id: ThreadId; readonly query: ListQuery },
  call: CallOptions | undefined,
): Promise<ThreadItemPage> {
  const owned = { source, kind: 'thread', id } as const
  return askServer('list_thread_items', call, async (ask) => {
    const user = await ownerOf(owned, registry, call)
    const readItems = createItemPages(ask, user, id)
    const page = await collect(query, async (part) => {
      // The protocol has no `before`: the items before a cursor are those after it in the other order.
      const backwards = part.before !== undefined && part.after === undefined
      // Between two cursors one more is read, to see whether the page ends right before the second cursor.
      const isBetween = part.before !== undefined && part.after !== undefined
      const limit = isBetween ? Math.min(part.limit + 1, MAX_LIMIT) : part.limit
      const after = backwards ? part.before : part.after
      const order = backwards ? opposite(part.order) : (part.order ?? 'desc')
      const answer = await readItems({ limit, order, after })
      removeAddresses(fileFieldsOfAnswer(answer), urls)
      return itemsOf(answer, { ...part, backwards, id })
    })
    return listOf(page)
  })
}

function itemsOf(
  { data, has_more }: { readonly data: readonly ServerItem[]; readonly has_more: boolean },
  part: ListQuery & { readonly backwards: boolean; readonly id: ThreadId },
) {
  const end = part.backwards ? -1 : data.findIndex(({ id }) => id === part.before)
  const cut = end < 0 ? data : data.slice(0, end)
  const entries = cut.map((item) => ({
    id: item.id,
    value: toWireItem({ ...item, thread_id: part.id }),
  }))
  return { entries: part.backwards ? entries.reverse() : entries, hasMore: end < 0 && has_more }
}

function opposite(order: 'asc' | 'desc' = 'desc'): 'asc' | 'desc' {
  return order === 'asc' ? 'desc' : 'asc'
}

/** @throws `not_found` when nobody owns the thing, or another user than the call is for */
async function ownerOf(
  thing: ServerThing,
  registry: OwnershipRecords,
  call: CallOptions | undefined,
): Promise<UserId> {
  const [owner] = await registry.ownersOf([thing])
  if (owner === undefined) throw notFound(`nobody owns the ${thing.kind}`)
  if (call?.asUser !== undefined && owner !== call.asUser) {
    throw notFound(`another user owns the ${thing.kind}`)
  }
  return owner
}

function notFound(reason: string): ServiceError {
  return new ServiceError('not_found', { reason })
}
