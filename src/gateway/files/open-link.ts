// Opens a call for a request with a signed link: verifies the link, and that its user may still follow it. It
// needs no client secret, because a browser fetches a picture without the page's headers.

import { addressOf } from '../../chatkit/protocol/file-address.ts'
import { uploadHeaders } from '../../chatkit/protocol/file-fields.ts'
import type { RateLimit } from '../../config/settings.ts'
import type { AppContext } from '../../http/context.ts'
import { createUserLimit } from '../../http/rate-limits.ts'
import { type Clock, unixSeconds } from '../../lib/clock.ts'
import { NO_IDENTITY } from '../../registry/identity.ts'
import type { Registry } from '../../registry/port.ts'
import { type Call, invalidToken, type VerifyToken } from '../open-call.ts'
import { type GatewayOwnership, requireOwn } from '../ownership.ts'
import type { Shares } from '../shares.ts'
import { LINK_TYPES, type LinkUse } from './file-links.ts'

/** How often a running download or upload checks whether its link has ended, in milliseconds. */
const CHECK_MS = 500

export type OpenLink = Awaited<ReturnType<ReturnType<typeof createOpenLink>>>

/**
 * @param parts - `verify`: verifies our own tokens; `limit`: rate of links per user, the same as of reads
 */
export function createOpenLink({
  verify,
  limit,
  followLink,
  registry,
  ownership,
  now,
}: {
  readonly verify: VerifyToken
  readonly limit: RateLimit
  readonly followLink: Shares['followLink']
  readonly registry: Pick<Registry, 'consume' | 'getSession' | 'readStanding'>
  readonly ownership: GatewayOwnership
  readonly now: Clock
}) {
  const limitLinks = createUserLimit({ registry, limit: { ...limit, name: 'links' }, now })

  /** A link outlives its session, but ends with the next revoke, sign-out, block or logout of its user. */
  async function requireStanding(user: string, generation: unknown): Promise<void> {
    const question = { user, identity: NO_IDENTITY, now: unixSeconds(now) }
    const standing = await registry.readStanding(question)
    if (standing.generation === generation && standing.blockedUntil === undefined) return
    throw invalidToken('the link has ended')
  }

  /**
   * Verifies the link and takes a slot, which `release` frees.
   *
   * @throws `not_found`, also for an attachment of another user; `missing_token`; `invalid_token`;
   * `rate_limited`; `store_unavailable`
   */
  return async function openLink(c: AppContext, use: LinkUse) {
    const link = c.req.query(use)
    const { workflow, user, id, claims } = await verify(c, link, LINK_TYPES[use])
    await limitLinks(c)
    const release = followLink(user)
    try {
      const check = () => requireStanding(user, claims['generation'])
      const [session] = await Promise.all([registry.getSession(id), check()])
      if (session === undefined || session.user !== user || session.workflow !== workflow.name) {
        throw invalidToken('the registry does not have the session of the link')
      }
      const { at, to, generation, attachment } = claims
      const url = addressOf({ at, to }, workflow)
      if (url === undefined) throw invalidToken('a link without a target')
      const call = { workflow, session, generation: Number(generation) }
      await requireAttachment(call, use, attachment)
      return {
        call,
        /** Address of the file at the server. */
        url,
        /** Headers that the server asked for when it made the address. */
        headers: uploadHeaders(claims['headers']),
        /** Throws `invalid_token` if a revoke, sign-out, block or logout has ended the link. */
        check,
        /** Repeats the check until the returned function is called; `onEnd` gets the error of a check that fails. */
        watch(onEnd: (error: unknown) => void): () => void {
          const timer = setInterval(() => void check().catch(onEnd), CHECK_MS).unref()
          return () => clearInterval(timer)
        },
        /** Call it when the request is over. */
        release,
      }
    } catch (error) {
      release()
      throw error
    }
  }

  /**
   * An upload needs an attachment of the user. A preview may also be of an attachment without an owner, because
   * it may be older than the gateway.
   */
  async function requireAttachment(call: Call, use: LinkUse, attachment: unknown): Promise<void> {
    if (typeof attachment !== 'string') return
    const ids = { threads: [], attachments: [attachment] }
    const none = { threads: [], attachments: [] }
    const named = use === 'upload' ? { ...ids, mentioned: none } : { ...none, mentioned: ids }
    await requireOwn(ownership, call, named)
  }
}
