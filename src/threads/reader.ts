import type { Thread } from '../chatkit/wire-thread.ts'
import { ServiceError } from '../lib/errors.ts'
import { type SourceCall, type SourceQuery, sourcePage } from './source-page.ts'
import type { ThreadSource } from './sources.ts'

/** One source's threads, one after the other. */
export interface Reader {
  readonly source: ThreadSource
  /** The next one; undefined at the end. Known after {@link Reader.fill}. */
  head(): Thread | undefined
  /** The last one taken, or where the reader started; null at the start of the list. */
  last(): string | null
  take(): void
  hasMore(): boolean
  /** Fetches when there is nothing at hand. */
  fill(): Promise<void>
}

/** Where a reader starts. */
export interface ReaderOptions {
  readonly query: SourceQuery
  /** Comes first, before what follows `query.after`. */
  readonly first?: Thread | undefined
  /** There is nothing to read. */
  readonly empty?: boolean
}

/** No page of a merged list needs more than a page of each source, but for what is left out of it. */
const MOST_FILLS = 20

/**
 * @param source - where
 * @param options - whose, from where, in which order, how many at a time
 * @param call - what accompanies its calls
 */
export function createReader(
  source: ThreadSource,
  { query, first, empty = false }: ReaderOptions,
  call: SourceCall,
): Reader {
  let waiting: readonly Thread[] = first === undefined ? [] : [first]
  let more = !empty
  let after = query.after
  let last = query.after ?? null
  let fills = 0
  return {
    source,
    head: () => waiting[0],
    last: () => last,
    take() {
      last = waiting[0]?.id ?? last
      waiting = waiting.slice(1)
    },
    hasMore: () => waiting.length > 0 || more,
    async fill() {
      // With a first thread given, what follows it has to be known all the same.
      if ((waiting.length > 0 && fills > 0) || !more) return
      if (fills++ >= MOST_FILLS) throw endless()
      const page = await sourcePage(source, { ...query, after }, call)
      waiting = [...waiting, ...page.values]
      more = page.hasMore
      after = page.values.at(-1)?.id ?? after
    },
  }
}

function endless(): ServiceError {
  return new ServiceError('upstream_invalid_response', { reason: 'a list that does not end' })
}
