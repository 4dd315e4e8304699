// Answers `threads.list` with the caller's threads, taken from the server's list or from the ownership records.

import { z } from 'zod'
import type { KnownRequest } from '../chatkit/protocol/request.ts'
import { MAX_ANSWER_BYTES, readJsonAnswer } from '../chatkit/protocol/server-call.ts'
import { serverFault } from '../chatkit/protocol/server-fault.ts'
import { anyPage } from '../chatkit/protocol/thread.ts'
import { DEFAULT_LIMIT } from '../chatkit/wire/wire.ts'
import type { AppContext } from '../http/context.ts'
import { eachBounded } from '../lib/concurrency.ts'
import type { Deadline } from '../lib/deadline.ts'
import { isCode } from '../lib/errors.ts'
import { newId, parseUserId } from '../lib/ids.ts'
import type { Forward } from './forward.ts'
import type { Call } from './open-call.ts'
import {
  type NextPage,
  NO_ITEMS,
  type OwnPage,
  readOwnPage,
  type ServerThreadEntry,
} from './own-threads.ts'
import type { GatewayOwnership } from './ownership.ts'
import type { Shares } from './shares.ts'

/** Most threads that are read one by one for a page. */
const MAX_READ = 100
/** Codes for the answers with which servers refuse a cursor that they do not know. */
const REFUSALS = ['server_refused', 'upstream_unavailable'] as const
/** Most threads that are read at the same time. */
const PARALLEL = 8

interface ListRequest {
  readonly request: Extract<KnownRequest, { type: 'threads.list' }>
  readonly deadline: Deadline
}

/** Sends a request to the call's server on behalf of a user. */
type Ask = (as: Call, type: string, params: object) => Promise<unknown>

const shownThread = z.looseObject({ id: z.string() })
/** Servers in Go write an empty list as `null`, servers in Lua as an empty object. */
const nothing = z.union([z.array(z.unknown()).length(0), z.strictObject({}), z.null()])
const emptyPage = z.looseObject({ data: nothing })

/** @param parts - `forward`: requests further pages */
export function createOwnLists({
  ownership,
  forward,
  shares,
}: {
  readonly ownership: Pick<GatewayOwnership, 'ownersOf' | 'claim' | 'listOwned'>
  readonly forward: Forward
  readonly shares: Pick<Shares, 'memoryFor'>
}) {
  function askFor(c: AppContext, call: Call, { request, deadline }: ListRequest): Ask {
    const { server: url } = call.workflow
    return async (as, type, params) => {
      const body = JSON.stringify({ ...request, type, params })
      const reply = await forward(c, as, { method: 'POST', url, body, deadline })
      const { hold, work, release } = shares.memoryFor(call.session.user)
      try {
        const answer = await readJsonAnswer(reply, deadline, { maxBytes: MAX_ANSWER_BYTES, hold })
        return await work(answer.parse)
      } finally {
        release()
      }
    }
  }

  return {
    /**
     * Whether a ChatKit server answers at the address. A wrong path, or a proxy without the server behind it, answers
     * 404 to everything.
     */
    async canList(c: AppContext, call: Call, deadline: Deadline): Promise<boolean> {
      const request = { type: 'threads.list', params: { limit: 1 } } as const
      const ask = askFor(c, call, { request, deadline })
      const answer = await ask(call, request.type, request.params).catch(() => undefined)
      return anyPage.safeParse(answer).success
    },

    /** @param asked - `json`: the server's answer */
    async fromServer(c: AppContext, call: Call, asked: ListRequest & { readonly json: unknown }) {
      const { params, type } = asked.request
      const ask = askFor(c, call, asked)
      const fetchPage = async (next: NextPage | undefined, as = call): Promise<unknown> =>
        next === undefined && as === call ? asked.json : ask(as, type, { ...params, ...next })

      async function ownAmong(ids: readonly string[], next: NextPage | undefined) {
        const things = ids.map((id) => ({ kind: 'thread', id }) as const)
        const owners = await ownership.ownersOf(call, things)
        const own = new Set(ids.filter((_, at) => owners[at] === call.session.user))
        const unowned = things.filter((_, at) => owners[at] === undefined)
        if (!call.workflow.adoptThreads || unowned.length === 0) return own
        if (!(await listsByUser(call, (nobody) => fetchPage(next, nobody)))) return own
        // Claims the oldest thread first, because the records list threads in the order of claims.
        for (const thing of params.order === 'asc' ? unowned : unowned.toReversed()) {
          if (await ownership.claim(call, thing)) own.add(thing.id)
        }
        return own
      }

      const fromRecords = recordsOf(ownership, ask, { call, ...asked })
      const page = await readOwnPage({ ...params, fetchPage, ownAmong, fromRecords })
      return withOwnCursor(ownership, call, page)
    },

    /**
     * The page when the server refuses the client's cursor: it may be one of ours, a thread's id, for a server
     * whose own cursors are no ids.
     *
     * @param failure - of the server; thrown when the cursor is no thread of the caller's
     */
    async fromRecords(
      c: AppContext,
      call: Call,
      asked: ListRequest & { readonly failure: unknown },
    ) {
      const { after } = asked.request.params
      const isRefusal = isCode(asked.failure, ...REFUSALS)
      if (!after || !isRefusal) throw asked.failure
      const page = await recordsOf(ownership, askFor(c, call, asked), { call, ...asked })(new Map())
      if (page === undefined) throw asked.failure
      return page
    },
  }
}

/**
 * A server that leaves out other users' threads after it has cut a page may give one of them as the cursor, with which
 * no request would pass. The last thread of the page takes its place.
 */
async function withOwnCursor(
  ownership: Pick<GatewayOwnership, 'ownersOf'>,
  call: Call,
  page: OwnPage,
): Promise<OwnPage> {
  const { data, after } = page
  const last = data.at(-1)?.id
  if (after === null || after === last || last === undefined) return page
  const [owner] = await ownership.ownersOf(call, [{ kind: 'thread', id: after }])
  const isForeign = owner !== undefined && owner !== call.session.user
  return isForeign ? { ...page, after: last } : page
}

/** Whether the server lists threads by user. It then answers the same request of a made-up user with an empty list. */
async function listsByUser(call: Call, list: (as: Call) => Promise<unknown>): Promise<boolean> {
  const user = parseUserId(newId('nobody_'))
  if (user === undefined) return false
  const answer = await list({ ...call, session: { ...call.session, user } }).catch(() => undefined)
  return emptyPage.safeParse(answer).success
}

/** @returns a function that makes the page from the ownership records, and reads its threads that are not `known` */
function recordsOf(
  ownership: Pick<GatewayOwnership, 'listOwned'>,
  ask: Ask,
  { call, request: { params }, deadline }: ListRequest & { readonly call: Call },
) {
  /** Undefined for a thread that the server cannot show; the list omits it. */
  async function readThread(id: string): Promise<ServerThreadEntry | undefined> {
    const answer = await ask(call, 'threads.get_by_id', { thread_id: id }).catch((error) => {
      if (deadline.ended() !== undefined) throw error
    })
    const thread = shownThread.safeParse(answer).data
    return thread?.id === id ? { ...thread, items: NO_ITEMS } : undefined
  }

  /** Undefined when the client's cursor is no thread of the caller. */
  return async function fromRecords(
    known: ReadonlyMap<string, ServerThreadEntry>,
  ): Promise<OwnPage | undefined> {
    const limit = Math.min(params.limit || DEFAULT_LIMIT, MAX_READ)
    const query = {
      limit,
      order: params.order ?? 'desc',
      after: params.after ?? undefined,
    } as const
    const owned = await ownership.listOwned(call, query)
    if (owned === undefined) return undefined
    const shown = new Map(known)
    await eachBounded(owned.data, PARALLEL, async ({ id }) => {
      const thread = shown.get(id) ?? (await readThread(id))
      if (thread !== undefined) shown.set(id, thread)
    })
    const data = owned.data.flatMap(({ id }) => shown.get(id) ?? [])
    // The request fails if the server shows none of them, because an empty list would be wrong.
    if (data.length === 0 && owned.data.length > 0) {
      throw serverFault('upstream_unavailable', 'the server shows none of the threads of the user')
    }
    return {
      data,
      has_more: owned.hasMore,
      after: owned.hasMore ? (data.at(-1)?.id ?? null) : null,
    }
  }
}
