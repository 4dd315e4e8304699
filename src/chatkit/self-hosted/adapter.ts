// A self-hosted workflow as an adapter of the port: sessions are made and signed here; threads are read from the
// server through its own protocol.

import type { Dispatcher } from 'undici'
import { type Clock, unixSeconds } from '../../lib/clock.ts'
import { newId, newSessionId, type WorkflowName } from '../../lib/ids.ts'
import { Secret } from '../../lib/secret.ts'
import type { CallOptions, ChatKit } from '../port.ts'
import { audienceOf, CLIENT_SECRET_TYPE, PER_MINUTE_CLAIM } from '../signing/client-secret.ts'
import type { SigningKeys } from '../signing/signing-keys.ts'
import {
  type CreateSessionParams,
  DEFAULT_LIFE_SECONDS,
  type IssuedSession,
} from '../wire/session.ts'
import { createAskServer } from './ask.ts'
import { listThreads } from './list-threads.ts'
import type { OwnershipRecords } from './owned-server.ts'
import { deleteAttachment, deleteThread, listItems, retrieveThread } from './threads.ts'

/**
 * The gateway checks every request against the registry, so a cancel needs no upstream and is confirmed at once.
 *
 * @param options - `workflow`: `server` is the URL of its endpoint, `threadsAt` the name in the ownership
 * records; `publicUrl` is the issuer of its client secrets
 */
export function createSelfHosted({
  workflow,
  publicUrl,
  keys,
  dispatcher,
  registry,
  now,
}: {
  readonly workflow: {
    readonly name: WorkflowName
    readonly server: string
    readonly uploadUrl: string | undefined
    readonly threadsAt: string
  }
  readonly publicUrl: string
  readonly keys: Pick<SigningKeys, 'sign'>
  readonly dispatcher: Dispatcher
  readonly registry: OwnershipRecords
  readonly now: Clock
}): ChatKit {
  const { name, server, uploadUrl, threadsAt: source } = workflow
  const askServer = createAskServer({ workflow, publicUrl, keys, dispatcher, now })
  const owned = { source, registry, askServer, urls: { server, uploadUrl } }
  return {
    // Neither session call reaches an upstream, so there is nothing to observe.
    async createSession(params: CreateSessionParams, call?: CallOptions): Promise<IssuedSession> {
      if (call?.signal?.aborted) throw call.signal.reason
      const { user } = params
      const id = newSessionId()
      const iat = unixSeconds(now)
      const exp = iat + (params.expires_after?.seconds ?? DEFAULT_LIFE_SECONDS)
      const aud = audienceOf(name)
      const { max_requests_per_1_minute: perMinute } = params.rate_limits ?? {}
      const claims = {
        iss: publicUrl,
        aud,
        sub: user,
        sid: id,
        jti: newId('jti_'),
        iat,
        exp,
        [PER_MINUTE_CLAIM]: perMinute,
      }
      const client_secret = new Secret(keys.sign(claims, CLIENT_SECRET_TYPE))
      return { id, client_secret, expires_at: exp, status: 'active', user }
    },
    async cancelSession(_id, call) {
      if (call?.signal?.aborted) throw call.signal.reason
      // This adapter keeps no sessions; the registry alone knows them.
      return null
    },
    listThreads: (query, call) => listThreads(owned, query, call),
    retrieveThread: (id, call) => retrieveThread(owned, id, call),
    deleteThread: (id, call) => deleteThread(owned, id, call),
    listThreadItems: (id, query, call) => listItems(owned, { id, query }, call),
    deleteAttachment: (id, call) => deleteAttachment(owned, id, call),
  }
}
