// Reads whole lists of the registry for an export or an erase, page by page.

import { ServiceError } from '../lib/errors.ts'
import type { OwnedThing } from '../registry/owned-records.ts'
import type { Registry } from '../registry/port.ts'
import type { Page } from '../registry/records.ts'
import type { ThreadSource } from '../threads/sources.ts'
import type { Failure } from './failures.ts'

/** Entries per page, which is the most that a list gives. */
const PAGE = 100

/**
 * @param read - the page after a cursor; undefined when the list no longer has the cursor's entry
 * @throws `internal_error` when an entry is gone before the list has been read to its end
 */
export async function* registryPages<T extends { readonly id: string }>(
  read: (after: string | undefined) => Promise<Page<T> | undefined>,
): AsyncGenerator<readonly T[], void, undefined> {
  for (let after: string | undefined; ; ) {
    const page = await read(after)
    if (page === undefined) throw new ServiceError('internal_error', { reason: CURSOR_GONE })
    yield page.data
    after = page.next ?? page.data.at(-1)?.id
    if (!page.hasMore || after === undefined) return
  }
}

const CURSOR_GONE =
  'an entry that was removed while the list was read, or whose id two servers have'

/**
 * The things that a user owns at servers that have left the config. Nobody can read or delete them, unless a workflow
 * has the server's `threads_at` again.
 *
 * @param of - `sources`: those in the config
 */
export async function* unreachableThings(
  {
    registry,
    sources,
  }: { readonly registry: Pick<Registry, 'listOwned'>; readonly sources: readonly ThreadSource[] },
  owned: { readonly kind: OwnedThing['kind']; readonly user: string },
) {
  const known = new Set(sources.map(({ threadsAt }) => threadsAt))
  const query = { ...owned, limit: PAGE, order: 'asc' } as const
  for await (const page of registryPages((after) => registry.listOwned({ ...query, after }))) {
    const left = page.filter(({ source }) => !known.has(source))
    const code = 'workflow_unavailable'
    yield left.map(
      ({ source, id }) =>
        ({ what: owned.kind, workflow: source.trim(), id, code }) satisfies Failure,
    )
  }
}

/**
 * The threads that a user owns at a source whose list could not be read to its end.
 *
 * @param unlisted - `named`: ids of the threads that the list has shown; `code`: why it could not be read
 */
export async function* unlistedThreads(
  { registry }: { readonly registry: Pick<Registry, 'listOwned'> },
  { name, threadsAt }: ThreadSource,
  {
    user,
    named,
    code,
  }: Pick<Failure, 'code'> & { readonly user: string; readonly named: ReadonlySet<string> },
) {
  if (threadsAt === undefined) return
  const query = { kind: 'thread', source: threadsAt, user, limit: PAGE, order: 'asc' } as const
  for await (const page of registryPages((after) => registry.listOwned({ ...query, after }))) {
    const left = page.filter(({ id }) => !named.has(id))
    yield left.map(({ id }) => ({ what: 'thread', workflow: name, id, code }) satisfies Failure)
  }
}
