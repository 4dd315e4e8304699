// The types of a self-hosted server and of the registry's records of who owns what there.

import type { UserId } from '../../lib/ids.ts'
import type { AskServer } from './ask.ts'

/** A thread or attachment that a user owns at a self-hosted server. */
export interface ServerThing {
  readonly source: string
  readonly kind: 'thread' | 'attachment'
  readonly id: string
}

/** The registry's records of who owns a thread or an attachment, as far as the adapter needs them. */
export interface OwnershipRecords {
  ownersOf(things: readonly ServerThing[]): Promise<readonly (UserId | undefined)[]>
  listOwned(query: {
    readonly source: string
    readonly kind: 'thread'
    readonly user?: string | undefined
    readonly limit: number
    readonly order: 'asc' | 'desc'
    readonly after?: string | undefined
    readonly before?: string | undefined
  }): Promise<
    | {
        readonly data: readonly { readonly id: string; readonly user: string }[]
        readonly hasMore: boolean
      }
    | undefined
  >
  releaseOwnership(thing: ServerThing & { readonly user: UserId }): Promise<void>
}

/** A server, with the records of what users own there. */
export interface OwnedServer {
  /** Name of the server in the records. */
  readonly source: string
  readonly registry: OwnershipRecords
  readonly askServer: AskServer
  /** Addresses of the server and of its uploads: no page can open a file there without the gateway. */
  readonly urls: { readonly server: string; readonly uploadUrl: string | undefined }
}
