// The records of threads and attachments at self-hosted servers, and of who owns them.

import { z } from 'zod'
import type { PageQuery } from './records.ts'
import { count, readerOf, text, userId } from './rows.ts'

const ownedThing = z.object({
  /** The config's `threads_at`, 1 to 2048 characters: a name for the server, or its address. */
  source: text,
  kind: z.enum(['thread', 'attachment']),
  /** The server's id for it, up to 512 characters. */
  id: text,
})
const ownership = ownedThing.extend({ user: userId, createdAt: count })

/** Something at a self-hosted server that belongs to a user. */
export type OwnedThing = Readonly<z.output<typeof ownedThing>>
export type Ownership = Readonly<z.output<typeof ownership>>
export const toOwnership = readerOf<Ownership>(ownership)

export interface OwnedQuery extends PageQuery {
  readonly kind: OwnedThing['kind']
  /** Ids are unique only within a source: without one, a cursor that several sources have is refused. */
  readonly source?: string | undefined
  readonly user?: string | undefined
}
