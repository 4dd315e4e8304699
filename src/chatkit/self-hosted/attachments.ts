import { ServiceError } from '../../lib/errors.ts'
import type { CallOptions, ChatKit } from '../port.ts'
import { type AskServerOptions, createAskServer } from './ask.ts'
import { deleteAtServer } from './delete.ts'

/** Something of this workflow, as the records of ownership know it. */
interface OwnedAttachment {
  readonly workflow: string
  readonly kind: 'attachment'
  readonly id: string
}

/** The records of ownership, as far as attachments need them. */
export interface AttachmentOwners {
  ownersOf(things: readonly OwnedAttachment[]): Promise<readonly (string | undefined)[]>
  releaseOwnership(thing: OwnedAttachment): Promise<void>
}

/** What {@link createDeleteAttachment} needs. */
export interface ServerAttachmentsOptions extends AskServerOptions {
  /** Name in the config. */
  readonly workflow: string
  readonly registry: AttachmentOwners
}

/**
 * Deletes attachments of a self-hosted workflow, through the server's own protocol, and the records of
 * whose they are: what the server no longer has is nobody's.
 *
 * @param options - server, identity, records
 */
export function createDeleteAttachment(
  options: ServerAttachmentsOptions,
): NonNullable<ChatKit['deleteAttachment']> {
  const { workflow, registry } = options
  const askServer = createAskServer(options)
  return (id: string, call?: CallOptions) =>
    askServer('delete_attachment', call, async (ask) => {
      const thing = { workflow, kind: 'attachment', id } as const
      const [owner] = await registry.ownersOf([thing])
      if (owner === undefined || (call?.asUser !== undefined && call.asUser !== owner)) {
        throw new ServiceError('not_found', { reason: 'no attachment of this user' })
      }
      await deleteAtServer(ask, {
        user: owner,
        question: { type: 'attachments.delete', params: { attachment_id: id } },
        release: () => registry.releaseOwnership(thing),
      })
    })
}
