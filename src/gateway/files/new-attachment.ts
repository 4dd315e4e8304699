// Makes a new attachment its creator's before anybody knows its id, and the addresses in it links.

import { z } from 'zod'
import { serverFault } from '../../chatkit/protocol/server-call.ts'
import type { Call } from '../open-call.ts'
import type { GatewayOwnership } from '../ownership.ts'
import { fileFieldsOfAnswer } from './file-fields.ts'
import type { FileLinks } from './file-links.ts'

/** Only what is needed is read: the rest passes as it is. */
const attachmentJson = z.looseObject({ id: z.string() })

/** {@link createAnswerAttachment} */
export type AnswerAttachment = ReturnType<typeof createAnswerAttachment>

/** @param parts - who owns what, and what makes links */
export function createAnswerAttachment({
  ownership,
  replaceFiles,
}: {
  readonly ownership: Pick<GatewayOwnership, 'claim'>
  readonly replaceFiles: FileLinks
}) {
  /**
   * @param call - the caller
   * @param json - the server's answer
   * @returns the attachment as the client gets it
   * @throws `upstream_invalid_response` when it is not an attachment, or another user's
   */
  return async function answerAttachment(call: Call, json: unknown): Promise<object> {
    const parsed = attachmentJson.safeParse(json)
    if (!parsed.success) throw serverFault('upstream_invalid_response', 'not an attachment')
    const attachment = parsed.data
    if (!(await ownership.claim(call, { kind: 'attachment', id: attachment.id }))) {
      throw serverFault('upstream_invalid_response', 'a new attachment that is another user’s')
    }
    await replaceFiles(call, fileFieldsOfAnswer(attachment))
    return attachment
  }
}
