import { z } from 'zod'
import { ServiceError } from '../../lib/errors.ts'
import { serverFault } from '../protocol/server-call.ts'
import type { Ask, Question } from './ask.ts'

/** What is to go, on whose behalf. */
export interface ServerDelete {
  /** Whose it is. */
  readonly user: string
  /** The server's own delete call. */
  readonly question: Question
  /** Takes the record of ownership off the books. */
  readonly release: () => Promise<void>
}

const anyPage = z.looseObject({ data: z.array(z.unknown()) })

/**
 * Deletes something at a ChatKit server, then the record of whose it is. Without its record nobody
 * finds it again, so a 404 counts only from a server that can show its threads: a wrong path, or a
 * proxy without the server behind it, answers 404 to everything.
 *
 * @param ask - one question to the server
 * @param what - the thing and its record
 * @throws `not_found` when the server did not have it, its record released; `upstream_rejected` when
 * the server has nothing at its address
 */
export async function deleteAtServer(
  ask: Ask,
  { user, question, release }: ServerDelete,
): Promise<void> {
  try {
    await ask(user, question)
  } catch (error) {
    if (!isNotFound(error)) throw error
    await requireServer(ask, user)
    await release()
    throw error
  }
  await release()
}

async function requireServer(ask: Ask, user: string): Promise<void> {
  try {
    await ask(user, { type: 'threads.list', params: { limit: 1 } }, anyPage)
  } catch (error) {
    if (!isNotFound(error)) throw error
    throw serverFault('upstream_rejected', 'the server answers 404 to threads.list, too')
  }
}

function isNotFound(error: unknown): boolean {
  return error instanceof ServiceError && error.code === 'not_found'
}
