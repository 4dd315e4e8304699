import { type Clock, unixSeconds } from '../../lib/clock.ts'
import { newId } from '../../lib/ids.ts'
import type { SigningKeys } from './signing-keys.ts'

/** What a token for a server lives, in seconds: it is made for one request. */
const SECONDS = 60

/** On whose behalf a server is asked. */
export interface ServerIdentity {
  readonly user: string
  /** Undefined for a call of this service's own, such as an admin's list. */
  readonly session?: string | undefined
  /** The session's state variables. */
  readonly state?: Readonly<Record<string, string | number | boolean>> | undefined
}

/** Makes the headers that tell a server who is asking. */
export type ServerIdentityHeaders = (
  server: string,
  identity: ServerIdentity,
) => Promise<Record<string, string>>

/**
 * The identity that a server gets, in two forms: headers that are as good as the network between us
 * and it, and a signed token whose `aud` is the server's URL, which needs no trust in any network.
 *
 * @param options - keys, `PUBLIC_URL` as issuer, the time
 */
export function createServerIdentity(options: {
  readonly keys: Pick<SigningKeys, 'sign'>
  readonly issuer: string
  readonly now: Clock
}): ServerIdentityHeaders {
  const { keys, issuer, now } = options
  return async (server, { user, session, state = {} }) => {
    const iat = unixSeconds(now)
    const sid = session === undefined ? {} : { sid: session }
    const times = { iat, exp: iat + SECONDS, jti: newId('jti_') }
    const claims = { iss: issuer, aud: server, sub: user, ...sid, state, ...times }
    return {
      authorization: `Bearer ${await keys.sign(claims, 'JWT')}`,
      'x-chatkit-user': encodeURIComponent(user),
      ...(session !== undefined && { 'x-chatkit-session': session }),
    }
  }
}
