// Finds one thread by its id among all sources: by reading it or, when it is to be deleted, by the ownership records.

import type { CallOptions } from '../chatkit/port.ts'
import type { Thread } from '../chatkit/wire/thread.ts'
import { isCode, ServiceError } from '../lib/errors.ts'
import type { ThreadId } from '../lib/ids.ts'
import type { Registry } from '../registry/port.ts'
import type { ThreadSource } from './sources.ts'

/** A thread, and the source that has it. */
export interface FoundThread {
  readonly id: ThreadId
  readonly thread: Thread
  readonly source: ThreadSource
}

/** A thread's owner, and the source that has it; the thread itself need not have been read. */
export type LocatedThread = Pick<FoundThread, 'id' | 'source'> & { readonly user: string }

/** An id and the user who must own the thread; without `user`, anyone's counts. */
interface WantedThread {
  readonly id: ThreadId
  readonly user?: string | undefined
}

/**
 * Asks all sources at once and waits for all of them, so that a thread of someone else takes as long
 * as one that does not exist. If several have it, the first in the config's order counts.
 *
 * @throws `not_found`; when no source has the thread and one failed, the error of that source
 */
export async function findThread(
  sources: readonly ThreadSource[],
  { id, user }: WantedThread,
  call: CallOptions | undefined,
): Promise<FoundThread> {
  const asked = sources.map(async (source) => {
    const thread = await source.chatkit.retrieveThread(id, { ...call, asUser: user })
    if (thread.id !== id) throw anotherThread()
    if (user !== undefined && thread.user !== user) throw noSuchThread('of another user')
    return { id, thread, source }
  })
  const answers = await Promise.allSettled(asked)
  const found = answers.find((answer) => answer.status === 'fulfilled')
  if (found) return found.value
  for (const answer of answers) {
    if (answer.status === 'rejected' && !isCode(answer.reason, 'not_found')) throw answer.reason
  }
  throw noSuchThread('no source has it for this caller')
}

/**
 * Finds a thread that is to be deleted. The ownership records name the self-hosted server without asking it: a
 * server that lost the thread could not show it. Hosted threads are read.
 *
 * @throws what {@link findThread} throws
 */
export async function locateThread(
  {
    sources,
    registry,
  }: { readonly sources: readonly ThreadSource[]; readonly registry: Pick<Registry, 'ownersOf'> },
  { id, user }: WantedThread,
  call: CallOptions | undefined,
): Promise<LocatedThread> {
  const recorded = sources.flatMap((source) =>
    source.threadsAt === undefined ? [] : [{ source, threadsAt: source.threadsAt }],
  )
  const owners = await registry.ownersOf(
    recorded.map(({ threadsAt }) => ({ source: threadsAt, kind: 'thread', id })),
  )
  for (const [index, owner] of owners.entries()) {
    const source = recorded[index]?.source
    if (source === undefined || owner === undefined) continue
    if (user === undefined || owner === user) return { id, user: owner, source }
  }
  const hosted = sources.filter(({ threadsAt }) => threadsAt === undefined)
  const { thread, source } = await findThread(hosted, { id, user }, call)
  return { id, user: thread.user, source }
}

/** Without `detail`, so that a thread of someone else and no thread are answered alike. */
function noSuchThread(reason: string): ServiceError {
  return new ServiceError('not_found', { reason: `a thread: ${reason}` })
}

function anotherThread(): ServiceError {
  return new ServiceError('upstream_invalid_response', {
    reason: 'another thread than was asked for',
  })
}
