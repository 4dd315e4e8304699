// Reads a list: one page, or page after page for `--all` and `--max-items`.

import { type Command, InvalidArgumentError, Option } from 'commander'
import type { ListQuery } from '../../chatkit/wire/wire.ts'
import { wholeNumber } from './arguments.ts'
import { type CommandError, failure } from './exit.ts'

const MAX_CURSOR = 2048
/** Most entries that service and API give in one page. */
const MAX_LIMIT = 100

/** A page of any list. */
export interface PageSeen<T> {
  readonly data: readonly T[]
  readonly first_id: string | null
  readonly last_id: string | null
  readonly has_more: boolean
}

/** The list flags of the reference (`--after`, `--before`, `--limit`, `--order`), and those for several pages. */
export interface ListFlags extends Readonly<ListQuery> {
  readonly all?: boolean
  readonly maxItems?: number
}

/**
 * Adds the options of a list that goes forward only.
 *
 * @param what - the entries, in the plural
 */
export function pageOptions(command: Command, what: string): Command {
  const limit = new Option('--limit <number>', 'entries per page, 0 to 100; 20 when absent')
  const most = new Option('--max-items <number>', 'most entries, from as many pages as needed')
  return command
    .option('--after <id>', `only ${what} after this one`, cursor)
    .addOption(limit.argParser(wholeNumber(0, MAX_LIMIT)))
    .addOption(most.argParser(wholeNumber(1, 999_999_999)).conflicts('all'))
    .option('--all', 'all entries, from all pages')
}

/** {@link pageOptions}, and the other list options of the reference. */
export function listOptions(command: Command, what: string): Command {
  const order = new Option('--order <order>', 'order of creation; desc when absent')
  return pageOptions(command, what)
    .option('--before <id>', `only ${what} before this one`, cursor)
    .addOption(order.choices(['asc', 'desc']))
}

function cursor(text: string): string {
  if (text !== '' && text.length <= MAX_CURSOR) return text
  throw new InvalidArgumentError(`It must have 1 to ${MAX_CURSOR} characters.`)
}

/**
 * One page unchanged; with `--all` or `--max-items`, several pages joined into one.
 *
 * @param flags - of {@link pageOptions} or {@link listOptions}; others are left out
 * @throws the errors of `fetch`; {@link CommandError} when a list does not advance
 */
export async function readList<T>(
  flags: ListFlags,
  fetch: (query: ListQuery) => Promise<PageSeen<T>>,
): Promise<PageSeen<T>> {
  const { all = false, maxItems, limit, order, after, before } = flags
  const query = { limit, order, after, before }
  if (!all && maxItems === undefined) return await fetch(query)
  const wanted = maxItems ?? Number.POSITIVE_INFINITY
  const size = limit ?? MAX_LIMIT
  // `before` alone gives the entries right before it, so paging goes towards the beginning.
  const backwards = before !== undefined && after === undefined
  const pages = [await fetch({ ...query, limit: Math.min(size, wanted) })]
  let count = pages[0]?.data.length ?? 0
  for (;;) {
    const page = pages.at(-1)
    const cursor = backwards ? page?.first_id : page?.last_id
    if (!page?.has_more || count >= wanted || size === 0) break
    if (typeof cursor !== 'string') throw endless()
    const more = { limit: Math.min(size, wanted - count), [backwards ? 'before' : 'after']: cursor }
    const next = await fetch({ ...query, ...more })
    if ((backwards ? next.first_id : next.last_id) === cursor) throw endless()
    pages.push(next)
    count += next.data.length
  }
  return asOne(backwards ? pages.toReversed() : pages, pages.at(-1)?.has_more ?? false)
}

function asOne<T>(pages: readonly PageSeen<T>[], hasMore: boolean): PageSeen<T> {
  return {
    ...pages[0],
    data: pages.flatMap(({ data }) => data),
    first_id: pages.find(({ first_id }) => first_id !== null)?.first_id ?? null,
    last_id: pages.findLast(({ last_id }) => last_id !== null)?.last_id ?? null,
    has_more: hasMore,
  }
}

function endless(): CommandError {
  return failure(
    'the list does not go on: it says that there is more, and gives no new place to go on from.',
  )
}
