// Reads one page of a list that is kept as a sorted set.
import { cutPage, type Span, spanOf } from '../paging.ts'
import type { Page, PageQuery } from '../records.ts'
import type { Commands, Link } from './link.ts'
import { texts } from './rows.ts'

/** How many entries of an index one call reads at most; a list asks until its page is full. */
const CHUNK = 1_000

/** A sorted set by place, and how to read what it names. */
export interface SortedSetListing<T> {
  readonly key: string
  /** The place of a cursor, of those that exist. */
  readonly placeOf: (redis: Commands, cursor: string) => Promise<number | undefined>
  /** What the members name, as far as it exists and passes the filters. */
  readonly fetch: (redis: Commands, members: readonly string[]) => Promise<readonly T[]>
}

/**
 * One page of an index, in its order.
 *
 * @param link - to Redis
 * @param query - the page that is asked for
 * @param listing - the index
 * @returns undefined when a cursor is of nothing
 */
export async function readPage<T>(
  link: Link,
  query: PageQuery,
  listing: SortedSetListing<T>,
): Promise<Page<T> | undefined> {
  const { after, before } = query
  const [afterAt, beforeAt] = await link.call((redis) =>
    Promise.all(
      [after, before].map((cursor) =>
        cursor === undefined ? undefined : listing.placeOf(redis, cursor),
      ),
    ),
  )
  if (after !== undefined && afterAt === undefined) return undefined
  if (before !== undefined && beforeAt === undefined) return undefined
  let span = spanOf(query, { after: afterAt, before: beforeAt })
  let count = Math.min(query.limit + 20, CHUNK)
  const found: T[] = []
  for (;;) {
    const stretch = { span, count }
    const chunk = await link.call((redis) => readChunk(redis, listing, stretch))
    found.push(...chunk.items)
    if (chunk.lastPlace === undefined || found.length > query.limit) break
    const end = span.walk === 'asc' ? { above: chunk.lastPlace } : { below: chunk.lastPlace }
    span = { ...span, ...end }
    count = CHUNK
  }
  return cutPage(found.slice(0, query.limit + 1), query.limit, span)
}

/** `lastPlace`: where to go on; undefined at the end. */
async function readChunk<T>(
  redis: Commands,
  listing: SortedSetListing<T>,
  { span, count }: { readonly span: Span; readonly count: number },
) {
  const [low, high] = [`(${span.above}`, `(${span.below}`]
  const range = span.walk === 'asc' ? ['ZRANGEBYSCORE', low, high] : ['ZREVRANGEBYSCORE', high, low]
  const [command = '', ...bounds] = range
  const rest = [...bounds, 'WITHSCORES', 'LIMIT', '0', String(count)]
  const reply = texts.parse(await redis.send(listing.key, command, listing.key, ...rest))
  const members = reply.filter((_, at) => at % 2 === 0)
  const items = members.length === 0 ? [] : await listing.fetch(redis, members)
  return { items, lastPlace: members.length < count ? undefined : Number(reply.at(-1)) }
}
