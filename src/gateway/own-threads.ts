// Picks the caller's own threads out of a server's list, which may be everyone's.

import { z } from 'zod'
import { serverFault } from '../chatkit/protocol/server-call.ts'
import { DEFAULT_LIMIT } from '../chatkit/wire/wire.ts'

/** A page of the server's list. Only what is needed is read: the threads pass as they are. */
const page = z.looseObject({
  data: z.array(z.looseObject({ id: z.string() })).default([]),
  has_more: z.boolean().default(false),
  after: z.string().nullish(),
})
type ServerThreadEntry = z.infer<typeof page>['data'][number]

const MAX_LIMIT = 1000
/** Threads in each page after the first, which is the one that the client asked for. */
const PAGE_LIMIT = 100
/** Pages that are read at most, for a caller whose threads are far down the list. */
const MAX_PAGES = 50

/** The next page to ask the server for; the first is already there. */
export interface NextPage {
  readonly limit: number
  readonly after: string
}

/** A page of the caller's threads, as the protocol has it. */
export interface OwnPage {
  readonly data: readonly ServerThreadEntry[]
  readonly has_more: boolean
  readonly after: string | null
}

/**
 * Reads on until one thread more than asked for has been found: so `has_more` says nothing about
 * other users' threads, and the cursor is an id of the caller's own.
 *
 * @param list - `limit`: as the client asked; `fetchPage`: the server's answer, parsed, the first for
 * undefined; `ownAmong`: which of these thread ids are the caller's
 * @throws `upstream_invalid_response` when the server's answer is not a page of threads
 */
export async function ownThreads({
  limit,
  fetchPage,
  ownAmong,
}: {
  readonly limit: number | null | undefined
  readonly fetchPage: (next: NextPage | undefined) => Promise<unknown>
  readonly ownAmong: (ids: readonly string[]) => Promise<ReadonlySet<string>>
}): Promise<OwnPage> {
  const wanted = Math.min(limit || DEFAULT_LIMIT, MAX_LIMIT)
  const found = new Map<string, ServerThreadEntry>()
  let next: NextPage | undefined
  for (let pages = 0; pages < MAX_PAGES; pages++) {
    const { data, has_more, after } = pageOf(await fetchPage(next))
    const own = await ownAmong(data.map(({ id }) => id))
    for (const thread of data) if (own.has(thread.id)) found.set(thread.id, thread)
    const cursor = after ?? data.at(-1)?.id
    if (!has_more || cursor === undefined || found.size > wanted) break
    next = { limit: PAGE_LIMIT, after: cursor }
  }
  const own = [...found.values()].slice(0, wanted)
  const more = found.size > wanted
  return { data: own, has_more: more, after: more ? (own.at(-1)?.id ?? null) : null }
}

function pageOf(json: unknown) {
  const parsed = page.safeParse(json)
  if (parsed.success) return parsed.data
  throw serverFault('upstream_invalid_response', 'not a page of threads')
}
