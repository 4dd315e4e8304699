import type { Thread } from '../chatkit/wire/thread.ts'
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

/** No page of a merged list needs more than a page of each source, but for what is left out of it. */
const MOST_FILLS = 20

export function createReader(source: ThreadSource, query: SourceQuery, call: SourceCall): Reader {
  let waiting: readonly Thread[] = []
  let more = true
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
      if (waiting.length > 0 || !more) return
      if (fills++ >= MOST_FILLS) throw endless()
      const page = await sourcePage(source, { ...query, after }, call)
      waiting = page.values
      more = page.hasMore
      after = page.values.at(-1)?.id ?? after
    },
  }
}

function endless(): ServiceError {
  return new ServiceError('upstream_invalid_response', { reason: 'a list that does not end' })
}
