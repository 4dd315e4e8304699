// Selects the caller's own threads from a server's list, which may contain the threads of all users.

import { z } from 'zod'
import { serverFault } from '../chatkit/protocol/server-fault.ts'
import { nullableList, truth } from '../chatkit/protocol/thread.ts'
import { DEFAULT_LIMIT } from '../chatkit/wire/wire.ts'
import { issuePaths } from '../lib/errors.ts'
import { threadsOfItems } from './event-owner.ts'

const threadEntry = z.looseObject({ id: z.string() })

/** Replaces the items of a thread in a list, where no client needs them. */
export const NO_ITEMS = { data: [], has_more: false, after: null }

/** A page of the server's list. Only the necessary fields are checked; the threads stay unchanged. */
const page = z.looseObject({
  data: nullableList(threadEntry),
  has_more: truth,
  after: z.string().nullish(),
})

/** A thread as the server lists it. */
export type ServerThreadEntry = z.infer<typeof threadEntry>

const MAX_LIMIT = 1000
/** Threads per page after the first, which has the size that the client asked for. */
const PAGE_LIMIT = 100
/** After at most this many pages of the server's list, the answer is made from the ownership records instead. */
const MAX_PAGES = 5

/** The next page to ask the server for. */
export interface NextPage {
  readonly limit: number
  readonly after: string
}

/** A page of the caller's threads, in the protocol's format. */
export interface OwnPage {
  readonly data: readonly ServerThreadEntry[]
  readonly has_more: boolean
  readonly after: string | null
}

/**
 * Reads the server's list until it has found one thread more than asked for, so that `has_more` does not depend
 * on other users' threads. If the first page holds only threads of the caller, the answer has the server's own
 * cursor; otherwise the cursor is the id of a thread of the caller.
 *
 * @param list - `limit`, `after`: from the client's request; `fetchPage`: a page of the server as parsed JSON, the first
 * one without an argument; `ownAmong`: selects the caller's threads on a page; `fromRecords`: the page from the ownership
 * records and the threads that are read already, undefined when the records lack the client's cursor
 * @throws `upstream_invalid_response` when the server's answer is not a page of threads
 */
export async function readOwnPage({
  limit,
  after: asked,
  fetchPage,
  ownAmong,
  fromRecords,
}: {
  readonly limit?: number | null | undefined
  readonly after?: string | null | undefined
  readonly fetchPage: (next: NextPage | undefined) => Promise<unknown>
  readonly ownAmong: (
    ids: readonly string[],
    next: NextPage | undefined,
  ) => Promise<ReadonlySet<string>>
  readonly fromRecords: (
    known: ReadonlyMap<string, ServerThreadEntry>,
  ) => Promise<OwnPage | undefined>
}): Promise<OwnPage> {
  const wanted = Math.min(limit || DEFAULT_LIMIT, MAX_LIMIT)
  const found = new Map<string, ServerThreadEntry>()
  let first: OwnPage | undefined
  let next: NextPage | undefined
  for (let pages = 0; ; pages++) {
    // The records cost a request for each thread that is not found yet. From here, that makes `limit` + 2 in all.
    if (pages >= Math.min(MAX_PAGES, found.size + 2)) {
      const recorded = await fromRecords(found)
      if (recorded !== undefined) return recorded
      if (pages === MAX_PAGES) return pageOf(found, wanted, next?.after)
    }
    const { data: listed, has_more, after } = read(await fetchPage(next))
    const data = listed.map(withOwnItems)
    const own = await ownAmong(
      data.map(({ id }) => id),
      next,
    )
    for (const thread of data) if (own.has(thread.id)) found.set(thread.id, thread)
    // The page contains the cursor itself: the server ignored it, because it is one of ours, and began at the start.
    const recorded = asked && own.has(asked) ? await fromRecords(found) : undefined
    if (recorded !== undefined) return recorded
    const cursor = after ?? data.at(-1)?.id
    if (pages === 0 && own.size > 0 && data.every(({ id }) => own.has(id))) {
      first = { data, has_more, after: cursor ?? null }
    }
    const enough = found.size > (first?.data.length ?? wanted)
    if (first !== undefined && enough) return first
    if (!has_more || cursor === undefined || enough) break
    next = { limit: PAGE_LIMIT, after: cursor }
  }
  return first === undefined ? pageOf(found, wanted) : { ...first, has_more: false, after: null }
}

/** @param goesOn - the server's cursor, if the list was not read to its end */
function pageOf(
  found: ReadonlyMap<string, ServerThreadEntry>,
  wanted: number,
  goesOn: string | null = null,
): OwnPage {
  const data = [...found.values()].slice(0, wanted)
  const isCut = found.size > wanted
  const after = isCut ? (data.at(-1)?.id ?? null) : goesOn
  return { data, has_more: after !== null, after }
}

/** Removes the items of a thread if one of them is of another thread, which may be another user's. */
function withOwnItems(thread: ServerThreadEntry): ServerThreadEntry {
  const isOwn = threadsOfItems(thread).every((named) => named === thread.id)
  return isOwn ? thread : { ...thread, items: NO_ITEMS }
}

function read(json: unknown) {
  const parsed = page.safeParse(json)
  if (parsed.success) return parsed.data
  const where = issuePaths(parsed.error)
  throw serverFault('upstream_invalid_response', `not a page of threads, at: ${where}`)
}
