// Records the creator of a new attachment as its owner before the client learns its id, and replaces the
// addresses in it by links.

import { z } from 'zod'
import { fileFieldsOfAnswer } from '../../chatkit/protocol/file-fields.ts'
import { serverFault } from '../../chatkit/protocol/server-fault.ts'
import type { Call } from '../open-call.ts'
import type { GatewayOwnership } from '../ownership.ts'
import type { LinksFor } from './file-links.ts'

/** Only the id is checked. */
const attachmentJson = z.looseObject({ id: z.string() })

export type AnswerAttachment = ReturnType<typeof createAnswerAttachment>

export function createAnswerAttachment({
  ownership,
  linksFor,
}: {
  readonly ownership: Pick<GatewayOwnership, 'claim'>
  readonly linksFor: LinksFor
}) {
  /**
   * @returns the attachment for the client
   * @throws `upstream_invalid_response` when it is not an attachment, or belongs to another user
   */
  return async function answerAttachment(call: Call, json: unknown): Promise<object> {
    const parsed = attachmentJson.safeParse(json)
    if (!parsed.success) throw serverFault('upstream_invalid_response', 'not an attachment')
    const attachment = parsed.data
    if (!(await ownership.claim(call, { kind: 'attachment', id: attachment.id }))) {
      throw serverFault('upstream_invalid_response', 'a new attachment that is another user’s')
    }
    linksFor(call)(fileFieldsOfAnswer(attachment))
    return attachment
  }
}
