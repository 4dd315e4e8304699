// Deletes the threads and attachments of a user at every source.

import { type ErrorCode, ServiceError } from '../lib/errors.ts'
import type { UserId } from '../lib/ids.ts'
import type { OwnedThing } from '../registry/owned-records.ts'
import type { Registry } from '../registry/port.ts'
import { sourcePage } from '../threads/source-reader.ts'
import { type ThreadSource, threadIdAt } from '../threads/sources.ts'
import { deleteLocated } from '../threads/threads.ts'
import { type Deletable, deleteAll, type IdPage } from './deletions.ts'
import { codeOf, type Failures } from './failures.ts'
import { unreachableThings } from './registry-pages.ts'

/** The sources, and the records of what users own at self-hosted ones. */
export interface SourcesToErase {
  readonly registry: Pick<Registry, 'listOwned'>
  readonly sources: readonly ThreadSource[]
}

/** The counters that {@link eraseFromSources} raises, and the failures that it adds. */
interface Progress {
  readonly counts: { threads_deleted: number; threads_failed: number; attachments_deleted: number }
  readonly failures: Failures
  /** Called after each thread. */
  readonly onThread: () => void
}

type Kind = OwnedThing['kind']

const PAGE = 100

/**
 * Deletes at one source after the other. Never throws: it counts a failure and goes on. At a self-hosted
 * server it deletes what the user owns by the registry, also a thread that the server no longer has.
 */
export async function eraseFromSources(
  of: SourcesToErase,
  user: UserId,
  progress: Progress,
): Promise<void> {
  for (const source of of.sources) {
    const threads = { kind: 'thread', things: threadsAt(of, source, user) } as const
    await eraseAtSource(source, progress, threads)
    if (source.threadsAt === undefined) continue
    const attachments = { kind: 'attachment', things: attachmentsAt(of, source, user) } as const
    await eraseAtSource(source, progress, attachments)
  }
  await countUnreachable(of, user, progress)
}

async function eraseAtSource(
  source: ThreadSource,
  { counts, failures, onThread }: Progress,
  { kind, things }: { readonly kind: Kind; readonly things: Deletable },
): Promise<void> {
  const workflow = source.name
  const isThread = kind === 'thread'
  try {
    await deleteAll(things, {
      onDeleted() {
        counts[isThread ? 'threads_deleted' : 'attachments_deleted'] += 1
        if (isThread) onThread()
      },
      onFailed(id: string, code: ErrorCode) {
        failures.add({ what: kind, workflow, id, code })
        if (!isThread) return
        counts.threads_failed += 1
        onThread()
      },
    })
  } catch (error) {
    failures.add({ what: `${kind}s`, workflow, code: codeOf(error) })
  }
}

function threadsAt(of: SourcesToErase, source: ThreadSource, user: UserId): Deletable {
  const { threadsAt: at } = source
  return {
    list: (after) =>
      at === undefined
        ? hostedIds(source, user, after)
        : ownedIds(of, { kind: 'thread', source: at, user }, after),
    async remove(id) {
      const thread = threadIdAt(source, id)
      if (thread === undefined) throw unnameable()
      await deleteLocated({ id: thread, user, source })
    },
  }
}

function unnameable(): ServiceError {
  return new ServiceError('invalid_request', { reason: 'an id with characters ids do not have' })
}

function attachmentsAt(of: SourcesToErase, source: ThreadSource, user: UserId): Deletable {
  const owned = { kind: 'attachment', source: source.threadsAt, user } as const
  return {
    list: (after) => ownedIds(of, owned, after),
    async remove(id) {
      await source.chatkit.deleteAttachment?.(id, { asUser: user })
    },
  }
}

async function hostedIds(
  source: ThreadSource,
  user: UserId,
  after: string | undefined,
): Promise<IdPage> {
  const query = { user, limit: PAGE, order: 'asc', after } as const
  const page = await sourcePage(source, query, undefined)
  return { ids: page.values.map(({ id }) => id), hasMore: page.hasMore }
}

async function ownedIds(
  { registry }: SourcesToErase,
  owned: { readonly kind: Kind; readonly source: string | undefined; readonly user: UserId },
  after: string | undefined,
): Promise<IdPage> {
  const page = await registry.listOwned({ ...owned, limit: PAGE, order: 'asc', after })
  if (page === undefined) {
    throw new ServiceError('invalid_request', {
      reason: 'the thing was released while the list was read',
    })
  }
  return { ids: page.data.map(({ id }) => id), hasMore: page.hasMore }
}

/** Counts as failures the things that the user owns at servers that have left the config. */
async function countUnreachable(
  of: SourcesToErase,
  user: UserId,
  { failures, counts }: Progress,
): Promise<void> {
  for (const kind of ['thread', 'attachment'] as const) {
    try {
      for await (const things of unreachableThings(of, { kind, user })) {
        for (const thing of things) failures.add(thing)
        if (kind === 'thread') counts.threads_failed += things.length
      }
    } catch (error) {
      failures.add({ what: `${kind}s`, code: codeOf(error) })
    }
  }
}
