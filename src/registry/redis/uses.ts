// Counts the uses of a session at the gateway, and finds out which open sessions have ended.
import { z } from 'zod'
import type { SessionId } from '../../lib/ids.ts'
import { type Registry, USE_WINDOW_MS } from '../port.ts'
import type { SessionKey, SessionUse, UseOutcome } from '../records.ts'
import { tagOf, userKeys, usesKey } from './keys.ts'
import type { Commands, Link } from './link.ts'
import { fromRow, maybeTexts } from './rows.ts'
import { USE } from './user-scripts.ts'

const useReply = z.tuple([z.enum(['ok', 'limited', 'ended']), z.string()])

/**
 * What the gateway asks of self-hosted sessions: each time of the user's own keys, never of the
 * global indexes.
 *
 * @param link - to Redis
 */
export function createUses(link: Link): Pick<Registry, 'useSession' | 'endedAmong'> {
  return {
    useSession: (use) => link.call((redis) => useSession(redis, use)),
    endedAmong: (sessions, now) => link.call((redis) => endedAmong(redis, sessions, now)),
  }
}

async function useSession(redis: Commands, use: SessionUse): Promise<UseOutcome> {
  const { id, user, maxPerMinute, nowMs } = use
  const tag = tagOf(user)
  const keys = [...Object.values(userKeys(tag)), usesKey(tag, id)]
  const reply = await redis.run(USE, keys, [nowMs, id, maxPerMinute, USE_WINDOW_MS])
  const [kind, more] = useReply.parse(reply)
  if (kind === 'ok') return { kind, session: fromRow(more).record }
  return kind === 'limited' ? { kind, resetMs: Number(more) - nowMs } : { kind }
}

/** One command per user, all sent at once: their sorted sets hold what is active, by expiry. */
async function endedAmong(
  redis: Commands,
  sessions: readonly SessionKey[],
  now: number,
): Promise<readonly SessionId[]> {
  const byUser = Map.groupBy(sessions, ({ user }) => user)
  const live = new Set<SessionKey>()
  await Promise.all(
    [...byUser].map(async ([user, own]) => {
      const key = userKeys(tagOf(user)).byExpiry
      const ids = own.map(({ id }) => id)
      const expiries = maybeTexts.parse(await redis.send(key, 'ZMSCORE', key, ...ids))
      for (const [at, session] of own.entries()) {
        const expiry = expiries[at]
        if (typeof expiry === 'string' && Number(expiry) > now) live.add(session)
      }
    }),
  )
  return sessions.filter((session) => !live.has(session)).map(({ id }) => id)
}
