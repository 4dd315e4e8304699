import { serverFault } from '../chatkit/protocol/server-call.ts'
import { audienceOf } from '../chatkit/signing/client-secret.ts'
import { unixSeconds } from '../lib/clock.ts'
import { ServiceError } from '../lib/errors.ts'
import { newId } from '../lib/ids.ts'
import { type Claims, UPLOAD_LINK_TYPE } from './client-secret.ts'
import type { GatewayCall } from './gateway-options.ts'

/** A link is followed at once, or by a retry soon after. In seconds. */
const SECONDS = 300
/** Longer ones would not fit into a request line. */
const MAX_PATH_CHARACTERS = 2048

/**
 * The link that takes the bytes of an attachment through the gateway instead of past it. It is signed
 * and says everything, so every instance can follow it; its session has to be active then, too.
 *
 * A URL of another origin (an object store, usually, with a signature of its own) stays as it is: the
 * identity that goes with requests to the server is for nobody else.
 *
 * @param call - whose attachment
 * @param attachment - its id
 * @param url - where the server wants the bytes
 * @throws `upstream_invalid_response` when that is no URL
 */
export async function linkFor(call: GatewayCall, attachment: string, url: string): Promise<string> {
  const { server } = call.workflow
  const target = URL.canParse(url, server) ? new URL(url, server) : undefined
  if (target === undefined || url.length > MAX_PATH_CHARACTERS) {
    throw serverFault('upstream_invalid_response', 'an upload URL that is none, or too long')
  }
  if (target.origin !== new URL(server).origin) return url
  const { issuer, name, session, keys, now } = call
  const iat = unixSeconds(now)
  const claims = {
    iss: issuer,
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
  return `${issuer.replace(/\/$/, '')}/chatkit/${name}?upload=${link}`
}

/**
 * Where a link leads.
 *
 * @param claims - of a verified link
 * @param server - of its workflow
 * @throws `invalid_token` when it is of another server than the workflow has now
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
