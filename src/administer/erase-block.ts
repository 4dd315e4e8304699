// Keeps a user blocked while their data is erased.

import { type Clock, unixSeconds } from '../lib/clock.ts'
import type { UserId } from '../lib/ids.ts'
import type { Registry } from '../registry/port.ts'

/** How long the block lasts after its last renewal, also after a crash. */
const BLOCK_SECONDS = 300

/** An erase recognises the block of an earlier, unfinished erase by this reason. */
const REASON = 'The data of this user is being erased.'

/**
 * Ends all sessions of a user and blocks new ones. A block that an admin has set is prolonged, and stays
 * when the erase is done. So does a block that is set during the erase: as every revoke does, it raises
 * the generation, and `lift` compares that.
 *
 * @param by - the admin who erases: `issuer|subject`
 * @returns the ended sessions, now `cancelling`; `renew` to prolong the block; `lift` to end it, if it
 * is this erase's own and nobody has revoked since
 */
export async function blockForErase(
  {
    registry,
    now,
  }: {
    readonly registry: Pick<Registry, 'readStanding' | 'getBlock' | 'revoke' | 'liftBlock'>
    readonly now: Clock
  },
  { user, by }: { readonly user: UserId; readonly by: string },
) {
  const standing = await registry.getBlock(user, unixSeconds(now))
  const before = await registry.readStanding({
    user,
    identity: { issuer: '' },
    now: unixSeconds(now),
  })
  const isOwn = standing === undefined || standing.reason === REASON
  const named = isOwn ? { reason: REASON, by } : { reason: standing.reason, by: standing.by }
  let { generation } = before

  async function block() {
    const seconds = unixSeconds(now)
    const until = seconds + BLOCK_SECONDS
    const block = { until, ...named }
    const end = { user, endReason: 'revoked', by, block, now: seconds } as const
    const outcome = await registry.revoke(end)
    generation += 1
    return outcome
  }

  const { cancelling } = await block()
  return {
    cancelling,
    async renew(): Promise<void> {
      await block()
    },
    async lift(): Promise<void> {
      if (isOwn) await registry.liftBlock(user, unixSeconds(now), generation)
    },
  }
}
