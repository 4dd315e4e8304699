import { z } from 'zod'
import { serverFault } from '../chatkit/protocol/server-call.ts'
import type { GatewayCall } from './gateway-options.ts'
import { claim } from './ownership.ts'
import { linkFor } from './upload-link.ts'

/** An attachment, read no further than has to be: the rest passes as it is. */
const attachmentJson = z.looseObject({
  id: z.string(),
  upload_url: z.string().nullish(),
  upload_descriptor: z.looseObject({ url: z.string() }).nullish(),
})

/**
 * Makes a new attachment the caller's before anybody knows its id, and its upload go through here.
 *
 * @param call - whose
 * @param json - the server's answer
 * @returns what the client gets
 * @throws `upstream_invalid_response` when it is no attachment, or another user's
 */
export async function attachmentAnswer(call: GatewayCall, json: unknown): Promise<object> {
  const parsed = attachmentJson.safeParse(json)
  if (!parsed.success) throw serverFault('upstream_invalid_response', 'no attachment')
  const { id, upload_url: url, upload_descriptor: descriptor } = parsed.data
  if (!(await claim(call, { kind: 'attachment', id }))) {
    throw serverFault('upstream_invalid_response', 'a new attachment that is another user’s')
  }
  const link = (to: string) => linkFor(call, id, to)
  return {
    ...parsed.data,
    ...(url != null && { upload_url: await link(url) }),
    ...(descriptor != null && {
      upload_descriptor: { ...descriptor, url: await link(descriptor.url) },
    }),
  }
}
