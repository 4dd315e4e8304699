// Answers `threads.list` with the caller's threads, taken from the server's list or from the ownership records.

import { z } from 'zod'
import type { KnownRequest } from '../chatkit/protocol/request.ts'
import { MAX_ANSWER_BYTES, readJsonAnswer } from '../chatkit/protocol/server-call.ts'
import { serverFault } from '../chatkit/protocol/server-fault.ts'
import type { AppContext } from '../http/context.ts'
import { eachBounded } from '../lib/concurrency.ts'
import type { Deadline } from '../lib/deadline.ts'
import { newId, parseUserId } from '../lib/ids.ts'
import type { Forward } from './forward.ts'
import type { Call } from './open-call.ts'
import {
  type NextPage,
  NO_ITEMS,
  type OwnPage,
  ownThreads,
  type ServerThreadEntry,
} from './own-threads.ts'
import type { GatewayOwnership } from './ownership.ts'
import type { Shares } from './shares.ts'

/** Most threads that are read one by one for a page. */
const MAX_READ = 100
/** Most threads that are read at the same time. */
const PARALLEL = 8

/** A request for a list, and the server's answer to it. */
export interface ListExchange {
  readonly request: Extract<KnownRequest, { type: 'threads.list' }>
  readonly json: unknown
  readonly deadline: Deadline
}

const shownThread = z.looseObject({ id: z.string() })
const emptyPage = z.looseObject({ data: z.array(z.unknown()).length(0) })

/** @param parts - `forward`: requests further pages */
export function createListOwn({
  ownership,
  forward,
  shares,
}: {
  readonly ownership: Pick<GatewayOwnership, 'ownersOf' | 'claim' | 'listOwned'>
  readonly forward: Forward
  readonly shares: Pick<Shares, 'memoryFor'>
}) {
  return function listOwn(c: AppContext, call: Call, { request, json, deadline }: ListExchange) {
    const { params } = request
    const { server: url } = call.workflow
    async function ask(as: Call, type: string, asked: object): Promise<unknown> {
      const body = JSON.stringify({ ...request, type, params: asked })
      const reply = await forward(c, as, { method: 'POST', url, body, deadline })
      const { hold, work, release } = shares.memoryFor(call.session.user)
      try {
        const answer = await readJsonAnswer(reply, deadline, { maxBytes: MAX_ANSWER_BYTES, hold })
        return await work(answer.parse)
      } finally {
        release()
      }
    }
    const fetchPage = async (next: NextPage | undefined, as = call): Promise<unknown> =>
      next === undefined && as === call ? json : ask(as, request.type, { ...params, ...next })

    /**
     * Whether the server lists by user: if so, it answers the same request of a made-up user with an empty
     * list.
     */
    async function isByUser(next: NextPage | undefined): Promise<boolean> {
      const user = parseUserId(newId('nobody_'))
      if (user === undefined) return false
      const nobody = { ...call, session: { ...call.session, user } }
      const answer = await fetchPage(next, nobody).catch(() => undefined)
      return emptyPage.safeParse(answer).success
    }

    async function ownAmong(ids: readonly string[], next: NextPage | undefined) {
      const things = ids.map((id) => ({ kind: 'thread', id }) as const)
      const owners = await ownership.ownersOf(call, things)
      const own = new Set(ids.filter((_, at) => owners[at] === call.session.user))
      const unowned = things.filter((_, at) => owners[at] === undefined)
      if (!call.workflow.adoptThreads || unowned.length === 0 || !(await isByUser(next))) return own
      // Claims the oldest thread first, because the records list threads in the order of claims.
      for (const thing of params.order === 'asc' ? unowned : unowned.toReversed()) {
        if (await ownership.claim(call, thing)) own.add(thing.id)
      }
      return own
    }

    /** Undefined for a thread that the server cannot show; the list omits it. */
    async function readThread(id: string): Promise<ServerThreadEntry | undefined> {
      const answer = await ask(call, 'threads.get_by_id', { thread_id: id }).catch((error) => {
        if (deadline.ended() !== undefined) throw error
      })
      const thread = shownThread.safeParse(answer).data
      return thread?.id === id ? { ...thread, items: NO_ITEMS } : undefined
    }

    async function fromRecords(
      known: ReadonlyMap<string, ServerThreadEntry>,
      limit: number,
    ): Promise<OwnPage | undefined> {
      const query = { limit: Math.min(limit, MAX_READ), order: params.order ?? 'desc' } as const
      const owned = await ownership.listOwned(call, { ...query, after: params.after ?? undefined })
      if (owned === undefined) return undefined
      const shown = new Map(known)
      await eachBounded(owned.data, PARALLEL, async ({ id }) => {
        const thread = shown.get(id) ?? (await readThread(id))
        if (thread !== undefined) shown.set(id, thread)
      })
      const data = owned.data.flatMap(({ id }) => shown.get(id) ?? [])
      // If the server shows none of them, the request fails, because an empty list would be wrong.
      if (data.length === 0 && owned.data.length > 0) throw unshown()
      return {
        data,
        has_more: owned.hasMore,
        after: owned.hasMore ? (data.at(-1)?.id ?? null) : null,
      }
    }

    return ownThreads({ limit: params.limit, fetchPage, ownAmong, fromRecords })
  }
}

function unshown() {
  return serverFault(
    'upstream_unavailable',
    'the server shows none of the threads that the user owns',
  )
}
