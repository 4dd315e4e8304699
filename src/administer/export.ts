// Collects all data of one user, from the registry and every source, page by page.

import type { CallOptions } from '../chatkit/port.ts'
import type { Thread, ThreadItemPage } from '../chatkit/wire/thread.ts'
import { type Clock, unixSeconds } from '../lib/clock.ts'
import { mapAhead } from '../lib/concurrency.ts'
import { ServiceError } from '../lib/errors.ts'
import type { AuditEntry } from '../registry/audit-entry.ts'
import type { Registry } from '../registry/port.ts'
import type { SessionRecord } from '../registry/records.ts'
import type { FoundThread } from '../threads/find-thread.ts'
import { listItemsOf } from '../threads/items.ts'
import { blameCursor, sourcePage } from '../threads/source-reader.ts'
import { type ThreadSource, threadIdAt } from '../threads/sources.ts'
import { codeOf, createFailures, type Failure } from './failures.ts'
import { createGiveWay } from './give-way.ts'
import { registryPages, unlistedThreads, unreachableThings } from './registry-pages.ts'

export type ExportLine = ExportedData | ExportSummary

type ExportedData =
  | { readonly type: 'session'; readonly session: SessionRecord }
  | { readonly type: 'thread'; readonly thread: Thread }
  | {
      readonly type: 'item'
      readonly thread_id: string
      readonly item: ThreadItemPage['data'][number]
    }
  | { readonly type: 'audit'; readonly audit: AuditEntry }
  /** A thread that could not be read, or not all of it. */
  | { readonly type: 'failure'; readonly thread_id: string }

/** The last line: without it the export is truncated. */
export interface ExportSummary {
  readonly type: 'summary'
  /** False when anything is missing; `failures` says what. */
  readonly complete: boolean
  readonly sessions: number
  readonly threads: number
  readonly items: number
  readonly audit: number
  /** Number of failures; `failures` lists the first of them. */
  readonly failed: number
  readonly failures: readonly Failure[]
}

/** The parts that {@link exportUser} reads from. */
export interface ExportParts {
  readonly registry: Pick<Registry, 'listSessions' | 'listAudit' | 'listOwned'>
  readonly sources: readonly ThreadSource[]
  readonly now: Clock
}

/** Lines in groups of a page: passing them on one by one would cost more CPU than making them. */
type Lines = AsyncGenerator<readonly ExportedData[], void, undefined>

/** Lines of a part, or the failure that ended the part early. */
interface Found {
  readonly lines: readonly ExportedData[]
  readonly failure?: Failure
}

/** Entries per page, which is the most that a list gives. */
const PAGE = 100
/** Most pages of one list of an upstream, a million entries: one that invents entries would never end. */
const MOST_PAGES = 10_000
/** Threads whose items are fetched at the same time. */
const AHEAD = 4

/**
 * Fetches a page when its lines are read. If a part fails, it is counted, and the next part follows.
 *
 * @param call - goes with the upstream calls; when its signal aborts, the export throws its reason
 */
export async function* exportUser(
  parts: ExportParts,
  user: string,
  call: CallOptions = {},
): AsyncGenerator<readonly ExportLine[], void, undefined> {
  const failures = createFailures()
  const giveWay = createGiveWay()
  const counts = { session: 0, thread: 0, item: 0, audit: 0, failure: 0 }
  for await (const { lines, failure } of allOf(parts, user, call)) {
    if (call.signal?.aborted) throw call.signal.reason
    if (failure !== undefined) failures.add(failure)
    for (const { type } of lines) counts[type] += 1
    if (lines.length > 0) yield lines
    await giveWay()
  }
  const summary = {
    type: 'summary',
    complete: failures.count() === 0,
    sessions: counts.session,
    threads: counts.thread,
    items: counts.item,
    audit: counts.audit,
    failed: failures.count(),
    failures: failures.named(),
  } as const
  yield [summary]
}

async function* allOf(parts: ExportParts, user: string, call: CallOptions) {
  yield* orFailure({ what: 'sessions' }, foundIn(sessionLines(parts, user)))
  // The same id from two API keys is one thread of one project.
  const hosted = new Set<string>()
  for (const source of parts.sources) {
    const named = source.threadsAt ? new Set<string>() : hosted
    yield* sourceLines(parts, source, { user, named, call })
  }
  const unreachable = unreachableThings(parts, { kind: 'thread', user })
  yield* orFailure({ what: 'threads' }, unreadIn(unreachable))
  yield* orFailure({ what: 'audit' }, foundIn(auditLines(parts, user)))
}

async function* foundIn(pages: Lines): AsyncGenerator<Found, void, undefined> {
  for await (const lines of pages) yield { lines }
}

/** The lines of a part. If the part fails, its failure follows, and the reading goes on with the next part. */
async function* orFailure(
  part: Omit<Failure, 'code'>,
  found: AsyncGenerator<Found, void, undefined>,
): AsyncGenerator<Found, void, undefined> {
  try {
    yield* found
  } catch (error) {
    const { id } = part
    const lines = id === undefined ? [] : [{ type: 'failure', thread_id: id } as const]
    yield { lines, failure: { ...part, code: codeOf(error) } }
  }
}

async function* sessionLines({ registry, now }: ExportParts, user: string): Lines {
  const query = { user, limit: PAGE, order: 'asc', now: unixSeconds(now) } as const
  const pages = registryPages((after) => registry.listSessions({ ...query, after }))
  for await (const page of pages) yield page.map((session) => ({ type: 'session', session }))
}

async function* auditLines({ registry }: ExportParts, user: string): Lines {
  const pages = registryPages((after) => registry.listAudit({ user, limit: PAGE, after }))
  for await (const page of pages) yield page.map((audit) => ({ type: 'audit', audit }))
}

/** `named`: ids of the threads that are in the export already. */
interface ReadThreads {
  readonly user: string
  readonly named: Set<string>
  readonly call: CallOptions
}

/** Lines of a source's threads. If its list fails, the ownership records name those that were not on it. */
async function* sourceLines(
  parts: ExportParts,
  source: ThreadSource,
  context: ReadThreads,
): AsyncGenerator<Found, void, undefined> {
  const list = { what: 'threads', workflow: source.name } as const
  for await (const found of orFailure(list, threadLines(source, context))) {
    yield found
    for (const line of found.lines) {
      if (line.type === 'thread') context.named.add(line.thread.id)
      if (line.type === 'failure') context.named.add(line.thread_id)
    }
    if (found.failure?.what !== 'threads') continue
    const unlisted = unlistedThreads(parts, source, { ...context, code: found.failure.code })
    yield* orFailure(list, unreadIn(unlisted))
  }
}

async function* threadLines(
  source: ThreadSource,
  { user, named, call }: ReadThreads,
): AsyncGenerator<Found, void, undefined> {
  for await (const { threads, missing } of threadPages(source, user, call)) {
    for (const id of missing) {
      const part = { what: 'thread', workflow: source.name, id } as const
      yield unread({ ...part, code: 'upstream_unavailable' })
    }
    const withItems = async (one: ListedThread) => {
      const [first] = await Promise.allSettled([itemsAfter(one, undefined, call)])
      return { one, first }
    }
    const unnamed = threads.filter(({ thread }) => !named.has(thread.id))
    for await (const { one, first } of mapAhead(unnamed, AHEAD, withItems)) {
      const part = { what: 'items', workflow: source.name, id: one.thread.id } as const
      yield { lines: [{ type: 'thread', thread: one.thread }] }
      yield* orFailure(part, foundIn(itemLines(one, first, call)))
    }
  }
}

type Unread = Failure & { readonly id: string }

async function* unreadIn(
  pages: AsyncGenerator<readonly Unread[]>,
): AsyncGenerator<Found, void, undefined> {
  for await (const threads of pages) yield* threads.map(unread)
}

function unread(failure: Unread): Found {
  return { lines: [{ type: 'failure', thread_id: failure.id }], failure }
}

async function* threadPages(source: ThreadSource, user: string, call: CallOptions) {
  for (let after: string | undefined, pages = 1; ; pages += 1) {
    const query = { user, limit: PAGE, order: 'asc', after } as const
    const missing: string[] = []
    const onMissing = (id: string) => missing.push(id)
    const page = sourcePage(source, query, { ...call, onMissing })
    const { values, hasMore } = await page.catch((error) => blameCursor(error, after !== undefined))
    yield { threads: values.map((thread) => ({ thread, source })), missing }
    if (!hasMore) return
    after = nextCursor(values.at(-1)?.id, { after, pages })
  }
}

/** A thread as the source lists it. A hosted one may have an id that no call can name. */
type ListedThread = Omit<FoundThread, 'id'>
type FirstItems = PromiseSettledResult<ThreadItemPage>

async function* itemLines(of: ListedThread, first: FirstItems, call: CallOptions): Lines {
  if (first.status === 'rejected') throw first.reason
  const { id } = of.thread
  let page = first.value
  for (let after: string | undefined, pages = 1; ; pages += 1) {
    yield page.data.map((item) => ({ type: 'item', thread_id: id, item }))
    if (!page.has_more) return
    after = nextCursor(page.last_id ?? undefined, { after, pages })
    page = await itemsAfter(of, after, call)
  }
}

async function itemsAfter(of: ListedThread, after: string | undefined, call: CallOptions) {
  const id = threadIdAt(of.source, of.thread.id)
  if (id === undefined) {
    throw new ServiceError('upstream_rejected', { reason: 'a thread id that no call can name' })
  }
  const query = { limit: PAGE, order: 'asc', ...(after !== undefined && { after }) } as const
  return listItemsOf({ ...of, id }, query, call)
}

/** @throws when the upstream ignores the cursor, or gives page after page: its list would never end */
function nextCursor(
  last: string | undefined,
  read: { readonly after: string | undefined; readonly pages: number },
): string {
  if (last !== undefined && last !== read.after && read.pages < MOST_PAGES) return last
  throw new ServiceError('upstream_invalid_response', { reason: 'a list that does not end' })
}
