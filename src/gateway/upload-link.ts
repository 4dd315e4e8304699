// Makes a new attachment its creator's, and replaces the server's upload URLs by links through the
// gateway: the bytes go through it instead of past it.

import { z } from 'zod'
import { serverFault } from '../chatkit/protocol/server-call.ts'
import { audienceOf } from '../chatkit/signing/client-secret.ts'
import type { SigningKeys } from '../chatkit/signing/signing-keys.ts'
import { type Clock, unixSeconds } from '../lib/clock.ts'
import { ServiceError } from '../lib/errors.ts'
import { newId } from '../lib/ids.ts'
import { type Call, type Claims, UPLOAD_LINK_TYPE } from './open-call.ts'
import type { GatewayOwnership } from './ownership.ts'

/** Life of a link, in seconds: it is followed at once, or by a retry soon after. */
const SECONDS = 300
/** Longest upload URL: as a link it has to fit into a request line. */
const MAX_URL_CHARACTERS = 2048

/** An attachment. Only what is needed is read: the rest passes as it is. */
const attachmentJson = z.looseObject({
  id: z.string(),
  upload_url: z.string().nullish(),
  upload_descriptor: z.looseObject({ url: z.string() }).nullish(),
})

/** {@link createAnswerAttachment} */
export type AnswerAttachment = ReturnType<typeof createAnswerAttachment>

/** @param parts - who owns what, and the keys that sign links */
export function createAnswerAttachment({
  ownership,
  publicUrl,
  keys,
  now,
}: {
  readonly ownership: Pick<GatewayOwnership, 'claim'>
  readonly publicUrl: string
  readonly keys: Pick<SigningKeys, 'sign'>
  readonly now: Clock
}) {
  /**
   * A link is signed and says everything, so every instance can follow it while its session is active.
   * A URL of another origin (an object store, usually, with a signature of its own) stays as it is: the
   * identity that goes with requests to the server is for nobody else.
   */
  async function linkFor({ workflow, session }: Call, attachment: string, url: string) {
    const { name, server } = workflow
    const target = URL.canParse(url, server) ? new URL(url, server) : undefined
    if (target === undefined || url.length > MAX_URL_CHARACTERS) {
      throw serverFault('upstream_invalid_response', 'an upload URL that is not one, or too long')
    }
    if (target.origin !== new URL(server).origin) return url
    const iat = unixSeconds(now)
    const claims = {
      iss: publicUrl,
      aud: audienceOf(name),
      sub: session.user,
      sid: session.id,
      jti: newId('jti_'),
      iat,
      exp: iat + SECONDS,
      attachment,
      to: target.pathname + target.search,
    }
    const link = await keys.sign(claims, UPLOAD_LINK_TYPE)
    return `${publicUrl.replace(/\/$/, '')}/chatkit/${name}?upload=${link}`
  }

  /**
   * The attachment is the caller's before anybody knows its id.
   *
   * @param call - the caller
   * @param json - the server's answer
   * @returns the attachment as the client gets it
   * @throws `upstream_invalid_response` when it is not an attachment, or another user's
   */
  return async function answerAttachment(call: Call, json: unknown): Promise<object> {
    const parsed = attachmentJson.safeParse(json)
    if (!parsed.success) throw serverFault('upstream_invalid_response', 'not an attachment')
    const { id, upload_url: url, upload_descriptor: descriptor } = parsed.data
    if (!(await ownership.claim(call, { kind: 'attachment', id }))) {
      throw serverFault('upstream_invalid_response', 'a new attachment that is another user’s')
    }
    return {
      ...parsed.data,
      ...(url != null && { upload_url: await linkFor(call, id, url) }),
      ...(descriptor != null && {
        upload_descriptor: { ...descriptor, url: await linkFor(call, id, descriptor.url) },
      }),
    }
  }
}

/**
 * @param claims - of an upload link that was verified
 * @param server - URL of the workflow's server
 * @returns the attachment, and the URL that takes its bytes
 * @throws `invalid_token` when the link names no attachment or no path
 */
export function targetOf(
  { attachment, to }: Claims,
  server: string,
): { readonly attachment: string; readonly url: string } {
  const { origin } = new URL(server)
  // Never resolved: a path that begins with two slashes would lead elsewhere.
  if (typeof attachment === 'string' && typeof to === 'string' && to.startsWith('/')) {
    return { attachment, url: origin + to }
  }
  throw new ServiceError('invalid_token', { reason: 'an upload link without a target' })
}
