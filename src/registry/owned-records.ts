// The records of threads and attachments at self-hosted servers, and of who owns them.

import type { UserId } from '../lib/ids.ts'
import type { PageQuery } from './records.ts'

/** Something at a self-hosted server that belongs to a user. */
export interface OwnedThing {
  /** The config's `threads_at`, 1 to 2048 characters: a name for the server, or its address. */
  readonly source: string
  readonly kind: 'thread' | 'attachment'
  /** The server's id for it, up to 512 characters. */
  readonly id: string
}

export interface Ownership extends OwnedThing {
  readonly user: UserId
  readonly createdAt: number
}

export interface OwnedQuery extends PageQuery {
  readonly kind: OwnedThing['kind']
  /** Ids are unique only within a source: without one, a cursor that several sources have is refused. */
  readonly source?: string | undefined
  readonly user?: string | undefined
}
