// Keeps a user blocked while their data is erased.

import { type Clock, unixSeconds } from '../lib/clock.ts'
import type { UserId } from '../lib/ids.ts'
import type { Registry } from '../registry/port.ts'

/** How long the block lasts after its last renewal, also after a crash. */
const BLOCK_SECONDS = 300
/** A block by somebody else that lasts longer than this need not be renewed yet. */
const LONG_ENOUGH_SECONDS = 180

/** Blocks of erases have this reason. */
export const ERASE_REASON = 'The data of this user is being erased.'

/**
 * Ends all sessions of a user and blocks new ones. A block that an admin has set is prolonged, and stays when the erase
 * is done. The block also stays when somebody asks for one during the erase, even for a shorter one. When several
 * instances erase at once, the one that blocked last lifts the block.
 *
 * @param by - the admin who erases: `issuer|subject`
 * @returns the ended sessions, now `cancelling`; `renew` to prolong the block; `hold` to block again if nobody does;
 * `lift` to end it, if it is an erase's and nobody has blocked since; `until`, the end of the block set last
 */
export async function blockForErase(
  {
    registry,
    now,
  }: {
    readonly registry: Pick<Registry, 'getBlock' | 'revoke' | 'liftBlock'>
    readonly now: Clock
  },
  { user, by }: { readonly user: UserId; readonly by: string },
) {
  const currentBlock = () => registry.getBlock(user, unixSeconds(now))
  const earlier = await currentBlock()
  const isOwn = earlier === undefined || earlier.reason === ERASE_REASON
  const { reason, by: blockedBy } = isOwn ? { reason: ERASE_REASON, by } : earlier
  let until = 0

  function block() {
    const seconds = unixSeconds(now)
    until = seconds + BLOCK_SECONDS
    const block = { until, reason, by: blockedBy }
    return registry.revoke({ user, endReason: 'revoked', by, block, now: seconds })
  }

  let { cancelling, generation } = await block()

  /** Only the erase that was the last to block prolongs the block, and so it stays the last. */
  async function renew(): Promise<void> {
    const held = await currentBlock()
    const isOthers = held !== undefined && held.generation !== generation
    if (isOthers && held.until > unixSeconds(now) + LONG_ENOUGH_SECONDS) return
    const renewed = await block()
    // After somebody else's block the old generation is kept, so that `lift` leaves the block.
    if ((renewed.blockBefore ?? generation) === generation) generation = renewed.generation
  }

  return {
    cancelling,
    until: () => until,
    renew,
    async hold(): Promise<void> {
      if ((await currentBlock()) === undefined) await renew()
    },
    async lift(): Promise<void> {
      if ((await currentBlock())?.reason !== ERASE_REASON) return
      await registry.liftBlock(user, unixSeconds(now), generation)
    },
  }
}
