import { z } from 'zod'
import { serverFault } from '../chatkit/protocol/server-call.ts'
import type { GatewayCall } from './gateway-options.ts'
import { ownersOf } from './ownership.ts'

/** A page of the server's list, read no further than has to be: its threads pass as they are. */
const page = z.looseObject({
  data: z.array(z.looseObject({ id: z.string() })).default([]),
  has_more: z.boolean().default(false),
  after: z.string().nullish(),
})
type ServerThreadEntry = z.infer<typeof page>['data'][number]

const DEFAULT_LIMIT = 20
const MAX_LIMIT = 1000
/** After the first page, which is what the client asked for. */
const PAGE_LIMIT = 100
/** How many pages of other users' threads are waded through. */
const MAX_PAGES = 50

/** What the client asked for. */
export interface ListAsked {
  readonly limit?: number | null | undefined
}

/** Where to go on; undefined for the first page. */
export interface NextPage {
  readonly limit: number
  readonly after: string
}

/** The caller's page, as the protocol has it. */
export interface OwnPage {
  readonly data: readonly ServerThreadEntry[]
  readonly has_more: boolean
  readonly after: string | null
}

/**
 * The caller's own threads out of a server's list, which may be everyone's. Reads on until one more
 * than asked for has been found: so `has_more` says nothing about other users' threads, and the cursor
 * is an id of the caller's own.
 *
 * @param call - whose list
 * @param asked - how many
 * @param fetchPage - the server's answer, parsed
 * @throws `upstream_invalid_response` when a page is none
 */
export async function ownThreads(
  call: GatewayCall,
  asked: ListAsked,
  fetchPage: (next: NextPage | undefined) => Promise<unknown>,
): Promise<OwnPage> {
  const wanted = Math.min(asked.limit || DEFAULT_LIMIT, MAX_LIMIT)
  const found = new Map<string, ServerThreadEntry>()
  let next: NextPage | undefined
  for (let pages = 0; pages < MAX_PAGES; pages++) {
    const { data, has_more, after } = pageOf(await fetchPage(next))
    for (const thread of await ownOf(call, data)) found.set(thread.id, thread)
    const cursor = after ?? data.at(-1)?.id
    if (!has_more || cursor === undefined || found.size > wanted) break
    next = { limit: PAGE_LIMIT, after: cursor }
  }
  const own = [...found.values()].slice(0, wanted)
  const more = found.size > wanted
  return { data: own, has_more: more, after: more ? (own.at(-1)?.id ?? null) : null }
}

async function ownOf(
  call: GatewayCall,
  threads: readonly ServerThreadEntry[],
): Promise<ServerThreadEntry[]> {
  const asked = threads.map(({ id }) => ({ kind: 'thread' as const, id }))
  const owners = await ownersOf(call, asked)
  return threads.filter((_, at) => owners[at] === call.session.user)
}

function pageOf(json: unknown) {
  const parsed = page.safeParse(json)
  if (parsed.success) return parsed.data
  throw serverFault('upstream_invalid_response', 'a list of threads that is none')
}
