import type { ErrorCode } from '../lib/errors.ts'
import { ServiceError } from '../lib/errors.ts'
import type { Registry } from '../registry/port.ts'
import type { OwnedThing } from '../registry/records.ts'
import { type SourceCall, sourcePage } from '../threads/source-reader.ts'
import type { ThreadSource } from '../threads/sources.ts'
import { checkDeleted, eraseThings, type IdPage, type Things } from './erase-things.ts'
import { codeOf, type Failures } from './failures.ts'

/** What {@link eraseFromSources} needs. */
export interface SourcesToErase {
  readonly registry: Pick<Registry, 'listOwned' | 'releaseOwnership'>
  readonly sources: readonly ThreadSource[]
  readonly onForeign: SourceCall['onForeign']
}

/** What is told of the work. */
export interface SourcesSeen {
  readonly counts: { threads_deleted: number; threads_failed: number; attachments_deleted: number }
  readonly failures: Failures
  /** After each thread. */
  readonly onThread: () => void
}

type Kind = OwnedThing['kind']

const PAGE = 100

/**
 * Deletes a user's threads and attachments at every source. What a self-hosted server is to delete is
 * what the records of ownership say, also of a thread that the server has lost.
 *
 * @param of - sources, records of ownership
 * @param user - whose
 * @param seen - counts and failures; nothing is thrown
 */
export async function eraseFromSources(
  of: SourcesToErase,
  user: string,
  seen: SourcesSeen,
): Promise<void> {
  for (const source of of.sources) {
    const threads = source.selfHosted
      ? ownedThreads(of, source, user)
      : hostedThreads(of, source, user)
    await eraseOne(source, seen, { kind: 'thread', things: threads })
    if (!source.selfHosted) continue
    const attachments = ownedAttachments(of, source, user)
    await eraseOne(source, seen, { kind: 'attachment', things: attachments })
  }
  await nameUnreachable(of, user, seen)
}

async function eraseOne(
  source: ThreadSource,
  seen: SourcesSeen,
  { kind, things }: { readonly kind: Kind; readonly things: Things },
): Promise<void> {
  const { counts, failures, onThread } = seen
  const workflow = source.name
  const isThread = kind === 'thread'
  try {
    await eraseThings(things, {
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

function hostedThreads({ onForeign }: SourcesToErase, source: ThreadSource, user: string): Things {
  return {
    async list(after) {
      const query = { user, limit: PAGE, order: 'asc', after } as const
      const page = await sourcePage(source, query, { call: undefined, onForeign })
      return { ids: page.values.map(({ id }) => id), hasMore: page.hasMore }
    },
    remove: (id) => deleteThread(source, id, user),
  }
}

function ownedThreads(of: SourcesToErase, source: ThreadSource, user: string): Things {
  return {
    list: (after) => ownedIds(of, { kind: 'thread', workflow: source.name, user }, after),
    remove: (id) => deleteThread(source, id, user),
  }
}

async function deleteThread(source: ThreadSource, id: string, user: string): Promise<void> {
  checkDeleted(await source.chatkit.deleteThread(id, { asUser: user }), id)
}

function ownedAttachments(of: SourcesToErase, source: ThreadSource, user: string): Things {
  const workflow = source.name
  return {
    list: (after) => ownedIds(of, { kind: 'attachment', workflow, user }, after),
    async remove(id) {
      await source.chatkit.deleteAttachment?.(id, { asUser: user })
    },
  }
}

interface Owned {
  readonly kind: Kind
  readonly workflow: string
  readonly user: string
}

async function ownedIds(
  { registry }: SourcesToErase,
  owned: Owned,
  after: string | undefined,
): Promise<IdPage> {
  const page = await registry.listOwned({ ...owned, limit: PAGE, order: 'asc', after })
  if (page === undefined) {
    throw new ServiceError('invalid_request', { reason: 'the thing was released meanwhile' })
  }
  return { ids: page.data.map(({ id }) => id), hasMore: page.hasMore }
}

/** What the user owns at a server that the config does not have any more. */
async function nameUnreachable(
  { registry, sources }: SourcesToErase,
  user: string,
  { failures, counts }: SourcesSeen,
): Promise<void> {
  const known = new Set(sources.flatMap(({ selfHosted, name }) => (selfHosted ? [name] : [])))
  for (const kind of ['thread', 'attachment'] as const) {
    try {
      for (let after: string | undefined; ; ) {
        const page = await registry.listOwned({ kind, user, limit: PAGE, order: 'asc', after })
        for (const { workflow, id } of page?.data ?? []) {
          if (known.has(workflow)) continue
          failures.add({ what: kind, workflow, id, code: 'workflow_unavailable' })
          if (kind === 'thread') counts.threads_failed += 1
        }
        after = page?.data.at(-1)?.id
        if (page?.hasMore !== true || after === undefined) break
      }
    } catch (error) {
      failures.add({ what: `${kind}s`, code: codeOf(error) })
    }
  }
}
