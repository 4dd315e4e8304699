// Revokes users for an admin, and lists and lifts their blocks.

import { z } from 'zod'
import type { Settings } from '../config/settings.ts'
import { type Clock, unixSeconds } from '../lib/clock.ts'
import { ServiceError } from '../lib/errors.ts'
import type { UserId } from '../lib/ids.ts'
import { mapSubject } from '../map/map-user.ts'
import { type Audit, auditedOnFailure } from '../registry/audit.ts'
import type { Registry } from '../registry/port.ts'
import type { Block, Page, PageQuery } from '../registry/records.ts'
import type { Revoke, RevokeCommand, RevokeResult } from '../revoke/revoke.ts'
import { type AdminRequest, auditRead } from './audit.ts'
import { ERASE_REASON } from './erase-block.ts'

/** A subject of an issuer, as in a token's `iss` and `sub`. */
interface Subject {
  readonly issuer: string
  readonly subject: string
}

/** The input of a revoke besides the user. */
export const revokeTerms = z.strictObject({
  /** At most a year; 0 = cancel the sessions, but set no block. */
  blockSeconds: z.int().min(0).max(31_536_000),
  reason: z
    .string()
    .max(500)
    .refine((value) => value.isWellFormed(), 'must be well-formed')
    .optional(),
})

/** A revoke of a user. */
export interface RevokedUser extends RevokeResult {
  readonly user: UserId
}

/** Makes the functions that an admin has for revokes and blocks. */
export function createAdministerRevokes({
  registry,
  revoke,
  audit,
  issuers,
  now,
}: {
  readonly registry: Pick<Registry, 'usersOf' | 'getBlock' | 'liftBlock' | 'listBlocks'>
  readonly revoke: Pick<Revoke, 'revokeUser'>
  readonly audit: Pick<Audit, 'write'>
  readonly issuers: Settings['issuers']
  readonly now: Clock
}) {
  /**
   * Ends all sessions of a user. Resolves when that is durable, in the audit, and tried upstream. A longer block that an
   * erase has left becomes this admin's: else it would end when the erase is repeated, and this block with it.
   *
   * @throws `invalid_request` for a block of the admin's own user
   */
  async function revokeUser(
    request: AdminRequest,
    { user, blockSeconds, reason }: Omit<RevokeCommand, 'by'>,
  ): Promise<RevokedUser> {
    if (blockSeconds > 0) refuseOwn(request, [user])
    const { actor, requestId } = request
    const command = { user, blockSeconds, reason, by: actor }
    const event = { actor, action: 'revoke', user, reason, requestId } as const
    const asked = unixSeconds(now) + blockSeconds
    const done = () => audit.write({ ...event, outcome: 'ok' })
    const revoked = await auditedOnFailure(audit, event, revoke.revokeUser(command, done))
    if (blockSeconds === 0 || (revoked.blockedUntil ?? 0) <= asked) return { user, ...revoked }
    const held = await registry.getBlock(user, asked - blockSeconds)
    if (held?.reason !== ERASE_REASON) return { user, ...revoked }
    const longer = { ...command, blockSeconds: held.until + 1 - unixSeconds(now) }
    const { blockedUntil } = await revoke.revokeUser(longer)
    return { user, ...revoked, blockedUntil }
  }

  /**
   * The users that a subject's sessions were minted for, and the user that its `user` expression gives,
   * who may have no session yet.
   */
  async function usersOf({ issuer, subject }: Subject): Promise<readonly UserId[]> {
    const known = await registry.usersOf({ issuer, subject })
    const mapped = mapSubject(issuers, issuer, subject)
    return [...new Set(mapped === undefined ? known : [mapped, ...known])]
  }

  return {
    revokeUser,

    /**
     * Revokes every user that tokens of a subject have been mapped to.
     *
     * @returns the sessions of all of them, with the first one's name and block
     * @throws `not_found` when no user of this subject is known; `invalid_request` for a block of the
     * admin's own user
     */
    async revokeSubject(
      request: AdminRequest,
      { issuer, subject, ...terms }: Omit<RevokeCommand, 'by' | 'user'> & Subject,
    ): Promise<RevokedUser> {
      const users = await usersOf({ issuer, subject })
      // Before any of them is revoked.
      if (terms.blockSeconds > 0) refuseOwn(request, users)
      const revoked: RevokedUser[] = []
      for (const user of users) revoked.push(await revokeUser(request, { user, ...terms }))
      const [first] = revoked
      if (first === undefined) throw unknownSubject()
      return {
        ...first,
        known: revoked.some(({ known }) => known),
        cancelled: revoked.flatMap(({ cancelled }) => cancelled),
        cancelling: revoked.flatMap(({ cancelling }) => cancelling),
      }
    },

    /** Undefined when the cursor names no user with a block. */
    async listBlocks(
      request: AdminRequest,
      query: PageQuery & { readonly now: number },
    ): Promise<Page<Block> | undefined> {
      await auditRead(audit, request)
      return registry.listBlocks(query)
    },

    /** @returns whether there was a block */
    async liftBlock({ actor, requestId }: AdminRequest, user: UserId): Promise<boolean> {
      const event = { actor, action: 'unblock', user, requestId } as const
      const lifting = registry.liftBlock(user, unixSeconds(now))
      const stood = await auditedOnFailure(audit, event, lifting)
      const reason = stood ? undefined : 'there was no block'
      await audit.write({ ...event, outcome: 'ok', reason })
      return stood
    },
  }
}

/**
 * Nobody would be left to lift the block of a single admin. An erase blocks too.
 *
 * @throws `invalid_request`
 */
export function refuseOwn(
  { ownUser, actor }: Pick<AdminRequest, 'ownUser' | 'actor'>,
  users: readonly string[],
): void {
  if (!users.includes(ownUser) && !users.includes(actor)) return
  throw new ServiceError('invalid_request', {
    reason: 'an admin who blocks themselves',
    detail: 'You cannot block yourself, and an erase blocks. Ask another admin.',
  })
}

function unknownSubject(): ServiceError {
  return new ServiceError('not_found', {
    reason: 'no user of this subject is known',
    detail: 'No user of this subject is known. Revoke by "user" instead.',
  })
}
