import { type Clock, unixSeconds } from '../lib/clock.ts'
import type { Registry } from '../registry/port.ts'
import type { SessionRecord } from '../registry/records.ts'

/** What {@link blockUser} needs. */
export interface BlockOptions {
  readonly registry: Pick<Registry, 'readStanding' | 'getBlock' | 'revoke' | 'liftBlock'>
  readonly now: Clock
}

/** A user who is kept out while their data goes. */
export interface HeldBlock {
  /** What the user held, now `cancelling`. */
  readonly cancelling: readonly SessionRecord[]
  /** Moves the end of the block on. */
  renew(): Promise<void>
  /** Lifts the block if it is this call's own, and nobody has revoked since. */
  lift(): Promise<void>
}

/** How long the block holds after it was last renewed: after a crash, too. Seconds. */
const BLOCK_SECONDS = 300

/** By this an erase knows the block of an earlier one that did not come to its end. */
const REASON = 'The data of this user is being erased.'

/**
 * Takes all of a user's sessions, and blocks new ones. A block that an admin has set is moved on, and
 * stays an admin's; so does one set meanwhile, which shows in the generation that every revoke raises.
 *
 * @param options - store and time
 * @param whom - the user, and the admin whose order it is
 */
export async function blockUser(
  { registry, now }: BlockOptions,
  { user, by }: { readonly user: string; readonly by: string },
): Promise<HeldBlock> {
  const standing = await registry.getBlock(user, unixSeconds(now))
  const isOwn = standing === undefined || standing.reason === REASON
  const named = isOwn ? { reason: REASON, by } : { reason: standing.reason, by: standing.by }
  const asked = { user, identity: { issuer: '' }, now: unixSeconds(now) }
  let { generation } = await registry.readStanding(asked)

  async function block() {
    const seconds = unixSeconds(now)
    const until = seconds + BLOCK_SECONDS
    const order = { user, endReason: 'revoked', block: { until, ...named }, now: seconds } as const
    const outcome = await registry.revoke(order)
    generation += 1
    return outcome
  }

  const { cancelling } = await block()
  return {
    cancelling,
    async renew() {
      await block()
    },
    async lift() {
      if (isOwn) await registry.liftBlock(user, unixSeconds(now), generation)
    },
  }
}
