// Reads one page of a list that Redis keeps as a sorted set in the order of creation.

import { z } from 'zod'
import { cutPage, spanOf } from '../paging.ts'
import type { Page, PageQuery } from '../records.ts'
import { text } from '../rows.ts'
import { type Script, script } from './keys.ts'
import type { Link } from './link/link.ts'
import { countOrNone, row } from './replies.ts'

/** Most entries that one script looks at: Redis serves nobody else meanwhile. */
const CHUNK = 1_000

/**
 * ARGV: kind and name of the set, lower and upper bound, 'asc' or 'desc', most entries to look at, rows
 * wanted, then the arguments of `item`. → the seq to go on from or '' and its member, rows.
 *
 * @param item - Lua: `item(member)` gives the row that a member names if it passes the filters, else nil
 */
export const pageScript = (...item: readonly string[]) =>
  script(
    ...item,
    `
local set = key(ARGV[1], ARGV[2] ~= '' and ARGV[2])
local low, high, chunk, wanted = '(' .. ARGV[3], '(' .. ARGV[4], tonumber(ARGV[6]), tonumber(ARGV[7])
local command, first, second = 'ZRANGEBYSCORE', low, high
if ARGV[5] == 'desc' then command, first, second = 'ZREVRANGEBYSCORE', high, low end
local members = redis.call(command, set, first, second, 'WITHSCORES', 'LIMIT', 0, chunk)
local rows = {}
for at = 1, #members, 2 do
  rows[#rows + 1] = item(members[at])
  if #rows == wanted then return { '', '', rows } end
end
if #members < 2 * chunk then return { '', '', rows } end
return { members[#members], members[#members - 1], rows }`,
  )

/** ARGV: kind and name of a hash → its fields; an empty row when there is none. */
export const READ_HASH = script(`return redis.call('HGETALL', key(ARGV[1], ARGV[2]))`)

/** ARGV: kind of a set, member → its seq or ''. */
const SEQ_OF = script(`return redis.call('ZSCORE', key(ARGV[1]), ARGV[2]) or ''`)

/** A list: a sorted set by seq, and how to read an entry. */
interface Listing<T> {
  /** Kind and name of its key. */
  readonly set: readonly [string, string]
  readonly script: Script
  /** Arguments of the script's `item`. */
  readonly filters: readonly (string | number)[]
  /** The seq of the entry that a cursor names; undefined when it names nothing. */
  readonly seqOf: (cursor: string) => Promise<number | undefined>
  readonly toItem: (fields: Readonly<Record<string, string>>) => T
  /** Bounds of `seq`, and most entries that a page looks at; without bounds when absent. */
  readonly within?: {
    readonly above: number | undefined
    readonly below: number | undefined
    readonly looks: number
  }
}

/** Finds the seq of a cursor in the set of this kind, which holds all entries of the kind. */
export const seqIn = (link: Link, kind: string) => (cursor: string) =>
  link.run(SEQ_OF, [kind, cursor], (reply) => countOrNone.parse(reply))

/** @returns undefined when a cursor names nothing */
export async function readPage<T>(
  link: Link,
  query: PageQuery,
  { set, script, filters, seqOf, toItem, within }: Listing<T>,
): Promise<Page<T> | undefined> {
  const { limit } = query
  const cursors = [query.after, query.before].filter((cursor) => cursor !== undefined)
  const seqs = await Promise.all(cursors.map(seqOf))
  const span = spanOf(query, (cursor) => seqs[cursors.indexOf(cursor)])
  if (span === undefined) return undefined
  const reply = z.tuple([countOrNone, text, z.array(row.transform(toItem))])
  let above = Math.max(span.above, within?.above ?? 0)
  let below = Math.min(span.below, within?.below ?? Number.MAX_SAFE_INTEGER)
  let left = within?.looks ?? Number.POSITIVE_INFINITY
  let chunk = Math.min(limit + 20, CHUNK)
  const found: T[] = []
  for (;;) {
    const range = [above, below, span.direction, chunk, limit + 1 - found.length]
    const [last, member, items] = await link.run(script, [...set, ...range, ...filters], (answer) =>
      reply.parse(answer),
    )
    found.push(...items)
    if (last === undefined) return cutPage(found, limit, span)
    left -= chunk
    if (left <= 0) return { data: found, hasMore: true, next: member }
    if (span.direction === 'asc') above = last
    else below = last
    chunk = Math.min(CHUNK, left)
  }
}
