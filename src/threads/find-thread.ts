// Finds one thread by its id, wherever it is.

import type { CallOptions } from '../chatkit/port.ts'
import type { Thread } from '../chatkit/wire/thread.ts'
import { isCode, ServiceError } from '../lib/errors.ts'
import type { ThreadId } from '../lib/ids.ts'
import type { ThreadSource } from './sources.ts'

/** A thread, and the source that has it. */
export interface FoundThread {
  /** The thread's. */
  readonly id: ThreadId
  readonly thread: Thread
  readonly source: ThreadSource
}

/**
 * Asks all sources at once and waits for all of them, so that a thread of someone else takes as long
 * as one that does not exist. The first source in the config's order wins.
 *
 * @param wanted - id and user of the thread; without `user`, anyone's
 * @throws `not_found`; the error of a source that failed, when no source has the thread
 */
export async function findThread(
  sources: readonly ThreadSource[],
  { id, user }: { readonly id: ThreadId; readonly user?: string | undefined },
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

/** Without `detail`, so that a thread of someone else and no thread are answered alike. */
function noSuchThread(reason: string): ServiceError {
  return new ServiceError('not_found', { reason: `a thread: ${reason}` })
}

function anotherThread(): ServiceError {
  return new ServiceError('upstream_invalid_response', {
    reason: 'another thread than was asked for',
  })
}
