// Cancels that the upstream has not confirmed yet.
import { z } from 'zod'
import type { Registry } from '../port.ts'
import type { CancelClaim } from '../records.ts'
import { LEASE_USERS, SETTLE_USERS } from './index-scripts.ts'
import { index, userKeys } from './keys.ts'
import type { Commands, Link } from './link.ts'
import { fromRow, type PlacedSession, texts } from './rows.ts'
import { ARMED_MS, armSession, noteEnded } from './sessions.ts'
import { CLAIM, CONFIRM, POSTPONE } from './user-scripts.ts'
import { tagsOf } from './where.ts'

const claimReply = z.tuple([z.string()]).rest(z.string())

/**
 * The cancel outbox. The entries lie with their user; one global list says which users to look at,
 * and is always told before an entry is made, so that an entry nobody looks for cannot be.
 *
 * @param link - to Redis
 */
export function createOutbox(
  link: Link,
): Pick<Registry, 'confirmCancel' | 'claimCancels' | 'postponeCancel'> {
  return {
    async confirmCancel(ids, now) {
      if (ids.length > 0) await link.call((redis) => confirm(redis, ids, now))
    },
    async claimCancels(claim) {
      if (claim.limit < 1) return []
      const claimed = await link.call((redis) => claimDue(redis, claim))
      await noteEnded(link, claimed)
      return claimed.map((one) => one.record)
    },
    async postponeCancel(id, dueAtMs) {
      const due = Math.ceil(dueAtMs)
      await link.call(async (redis) => {
        const tag = await armSession(redis, id, due)
        if (tag === undefined) return
        await redis.run(POSTPONE, Object.values(userKeys(tag)), [id, due])
      })
    },
  }
}

async function confirm(redis: Commands, ids: readonly string[], now: number): Promise<void> {
  const byTag = await tagsOf(redis, ids)
  const rows = await Promise.all(
    [...byTag].map(async ([tag, own]) =>
      texts.parse(await redis.run(CONFIRM, Object.values(userKeys(tag)), [now, ...own])),
    ),
  )
  const sessions = rows.flat().map(fromRow)
  if (sessions.length === 0) return
  const ends = sessions.flatMap(({ endsAt, record }) => [String(endsAt), record.id])
  await redis.send(index.ends, 'ZADD', index.ends, 'XX', ...ends)
}

/**
 * Leases users, then their entries, then says when to look at each of them again. A crash in
 * between leaves a lease that runs out.
 */
async function claimDue(redis: Commands, claim: CancelClaim): Promise<readonly PlacedSession[]> {
  const { nowMs, limit } = claim
  const leasedUntil = nowMs + claim.leaseMs
  const tags = texts.parse(await redis.run(LEASE_USERS, [index.due], [nowMs, leasedUntil, limit]))
  if (tags.length === 0) return []

  const claimed: PlacedSession[] = []
  const nextDue = new Map<string, string>()
  let asked: readonly string[] = tags
  while (asked.length > 0 && claimed.length < limit) {
    const share = Math.max(1, Math.floor((limit - claimed.length) / asked.length))
    const some = asked.slice(0, limit - claimed.length)
    const replies = await Promise.all(
      some.map((tag) =>
        redis.run(CLAIM, Object.values(userKeys(tag)), [nowMs, leasedUntil, share]),
      ),
    )
    for (const [at, reply] of replies.entries()) {
      const [due, ...rows] = claimReply.parse(reply)
      nextDue.set(some[at] ?? '', due)
      claimed.push(...rows.map(fromRow))
    }
    asked = [...asked.slice(some.length), ...some.filter((tag) => isDue(nextDue.get(tag), nowMs))]
  }
  // Whoever was not asked is due as before.
  const settled = tags.flatMap((tag) => [tag, nextDue.get(tag) ?? String(nowMs)])
  await redis.run(
    SETTLE_USERS,
    [index.due, index.armed],
    [nowMs, leasedUntil, ARMED_MS, ...settled],
  )
  return claimed
}

function isDue(due: string | undefined, nowMs: number): boolean {
  return due !== undefined && due !== '' && Number(due) <= nowMs
}
