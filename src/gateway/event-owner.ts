// Checks that the events of a stream name only threads of the caller, and records the caller as the owner of
// new threads.

import { fieldOf } from '../lib/json.ts'
import { show } from '../lib/show.ts'
import type { Call } from './open-call.ts'
import type { GatewayOwnership } from './ownership.ts'
import { StreamFault } from './stream-fault.ts'

/**
 * Most threads that a server may create in one stream, because the store keeps each record until the thread is
 * deleted.
 */
const MAX_CREATED = 100

/** The fields of an event that are checked. */
export interface SeenEvent {
  readonly type: string
  readonly thread_id?: unknown
  readonly thread?: unknown
  readonly item?: unknown
  readonly update?: unknown
}

/** The part of the ownership records that a stream needs. */
export type EventOwnership = Pick<GatewayOwnership, 'claimNew' | 'ownersOf'>

/** @returns the check of one event; call it before the client gets the event */
export function createEventOwner(call: Call, ownership: EventOwnership) {
  /** Threads that are known to be the caller's. */
  const own = new Set<string>()
  let created = 0

  /**
   * Records a new thread as the caller's, durably, before the client learns its id.
   *
   * @param others - further threads in the same event, which may name the new one too
   */
  async function keep(id: string, others: readonly string[]): Promise<void> {
    created += 1
    if (created > MAX_CREATED) throw badFrame('thread.created', 'too many new threads')
    const isNew = await ownership.claimNew(call, { kind: 'thread', id }).catch(noStore)
    if (!isNew) throw new StreamFault('thread_taken', new Error(`thread ${show(id)}`))
    own.add(id)
    await requireOwn(others)
  }

  async function requireOwn(ids: readonly string[]): Promise<void> {
    for (const id of ids) {
      if (own.has(id)) continue
      const [owner] = await ownership.ownersOf(call, [{ kind: 'thread', id }]).catch(noStore)
      if (owner !== call.session.user) {
        throw new StreamFault('foreign_thread', new Error(`thread ${show(id)}`))
      }
      own.add(id)
    }
  }

  /**
   * @returns undefined when the event is known to be allowed; otherwise a promise that settles with the store's
   * answer
   * @throws `StreamFault` `bad_frame`, `thread_taken`, `foreign_thread`, `store_unavailable`
   */
  return function checkEvent(event: SeenEvent): Promise<void> | undefined {
    const { type, thread_id, thread, item, update } = event
    const id = fieldOf(thread, 'id')
    // All ids of threads in an event of any type, also where the protocol has none.
    const named = [
      thread_id,
      id,
      fieldOf(item, 'thread_id'),
      fieldOf(update, 'thread_id'),
      fieldOf(fieldOf(update, 'item'), 'thread_id'),
    ]
    const unknown: string[] = []
    for (const name of thread === undefined ? named : named.concat(threadsOfItems(thread))) {
      // Servers in Go write '' for what they have not set.
      if (name === undefined || name === null || name === '') continue
      if (typeof name !== 'string')
        throw badFrame(type, `a thread's id is ${typeof name}, not a string`)
      if (!own.has(name)) unknown.push(name)
    }
    if (type === 'thread.created' || type === 'thread.updated') {
      if (typeof id !== 'string' || id === '') throw badFrame(type, 'its thread has no id')
      if (type === 'thread.created') return keep(id, unknown)
    }
    return unknown.length === 0 ? undefined : requireOwn(unknown)
  }
}

/** The `thread_id` of each item in `items`, which is a list or a page. A server may send any value as one. */
export function threadsOfItems(of: unknown): readonly unknown[] {
  const items = fieldOf(of, 'items')
  const data = fieldOf(items, 'data') ?? items
  if (!Array.isArray(data)) return []
  return data
    .map((item) => fieldOf(item, 'thread_id'))
    .filter((id) => id !== undefined && id !== null && id !== '')
}

/** @param why - for the log */
function badFrame(type: string, why: string): StreamFault {
  return new StreamFault('bad_frame', new Error(`an event ${show(type)}: ${why}`))
}

function noStore(error: unknown): never {
  throw new StreamFault('store_unavailable', error)
}
