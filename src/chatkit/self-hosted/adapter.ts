import { type Clock, unixSeconds } from '../../lib/clock.ts'
import { ServiceError } from '../../lib/errors.ts'
import { newId, OBJECT_ID } from '../../lib/ids.ts'
import { Secret } from '../../lib/secret.ts'
import type { ChatKit } from '../port.ts'
import { audienceOf, CLIENT_SECRET_TYPE } from '../signing/client-secret.ts'
import type { SigningKeys } from '../signing/signing-keys.ts'
import {
  type CreateSessionParams,
  DEFAULT_LIFE_SECONDS,
  type IssuedSession,
} from '../wire/session.ts'
import type { ServerThreads } from './threads.ts'

/** What {@link createSelfHosted} needs. */
export interface SelfHostedOptions {
  /** Name in the config. */
  readonly workflow: string
  /** `PUBLIC_URL`: the issuer of its client secrets. */
  readonly issuer: string
  readonly keys: SigningKeys
  /** The thread calls, through the server's own protocol. */
  readonly threads: ServerThreads
  readonly now: Clock
}

/**
 * The second implementation of the port: sessions are made and signed here, and guarded by the
 * gateway. There is nobody to cancel at: the registry's word is what the gateway goes by, so a
 * cancel is confirmed at once.
 *
 * @param options - workflow, keys, the way to its server
 */
export function createSelfHosted(options: SelfHostedOptions): ChatKit {
  const { threads } = options
  return {
    // Asks nobody, so there is no call to observe.
    async createSession(params, call) {
      call?.signal?.throwIfAborted()
      return createSession(params, options)
    },
    // `null`: no session of this id is known to anyone but the registry.
    async cancelSession(id, call) {
      call?.signal?.throwIfAborted()
      if (OBJECT_ID.test(id)) return null
      throw new ServiceError('invalid_request', { reason: 'an id with characters ids do not have' })
    },
    listThreads: threads.list,
    retrieveThread: threads.retrieve,
    deleteThread: threads.remove,
    listThreadItems: threads.items,
  }
}

async function createSession(
  params: CreateSessionParams,
  { workflow, issuer, keys, now }: SelfHostedOptions,
): Promise<IssuedSession> {
  const id = newId('cksess_')
  const iat = unixSeconds(now)
  const exp = iat + (params.expires_after?.seconds ?? DEFAULT_LIFE_SECONDS)
  const claims = {
    iss: issuer,
    aud: audienceOf(workflow),
    sub: params.user,
    sid: id,
    jti: newId('jti_'),
    iat,
    exp,
  }
  return {
    id,
    client_secret: new Secret(await keys.sign(claims, CLIENT_SECRET_TYPE)),
    expires_at: exp,
    status: 'active',
    user: params.user,
  }
}
