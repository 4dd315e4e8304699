// The identity that a ChatKit server gets with each request: headers, and a token that this service signs.

import { type Clock, unixSeconds } from '../../lib/clock.ts'
import { newId } from '../../lib/ids.ts'
import { USER_AGENT } from '../../lib/version.ts'
import type { SigningKeys } from './signing-keys.ts'

/** Life of a token for a server, in seconds. It is made for one request. */
const SECONDS = 60

/** The user on whose behalf a request is sent. */
interface ServerIdentity {
  readonly user: string
  /** Undefined for a call of this service's own, such as an admin's list. */
  readonly session?: string | undefined
  /** The session's state variables. */
  readonly state?: Readonly<Record<string, string | number | boolean>> | undefined
}

/** Makes the headers that tell a server who is asking. */
export type ServerIdentityHeaders = ReturnType<typeof createServerIdentity>

/**
 * Two forms of the same identity: headers, which a server can trust as far as it trusts the network,
 * and a signed token whose `aud` is the server's URL, which needs no trust in any network.
 */
export function createServerIdentity({
  keys,
  publicUrl,
  now,
}: {
  readonly keys: Pick<SigningKeys, 'sign'>
  readonly publicUrl: string
  readonly now: Clock
}) {
  return (
    server: string,
    { user, session, state = {} }: ServerIdentity,
  ): Record<string, string> => {
    const iat = unixSeconds(now)
    const sid = session === undefined ? {} : { sid: session }
    const times = { iat, exp: iat + SECONDS, jti: newId('jti_') }
    const claims = { iss: publicUrl, aud: server, sub: user, ...sid, state, ...times }
    return {
      authorization: `Bearer ${keys.sign(claims, 'JWT')}`,
      'user-agent': USER_AGENT,
      // Without it a server may compress any answer (RFC 9110 §12.5.3); nothing here decodes one.
      'accept-encoding': 'identity',
      'x-chatkit-user': encodeURIComponent(user),
      ...(session !== undefined && { 'x-chatkit-session': session }),
    }
  }
}
