// Deletes keys whose retention is over and the keys of a user who is erased, in Redis; counts live sessions.

import { z } from 'zod'
import { ServiceError } from '../../lib/errors.ts'
import { countersOf } from '../counters.ts'
import { GENERATION_KEPT_SECONDS, type Registry } from '../port.ts'
import { eraseEntries, SWEEP_AUDIT } from './audit.ts'
import { SESSION, script } from './keys.ts'
import { KNOWN } from './known-users.ts'
import type { Link } from './link/link.ts'
import { countOrNone } from './replies.ts'
import { FLAT_BLOCK } from './revoke.ts'

/** Most sessions, blocks or entries that one script deletes: Redis serves nobody else meanwhile. */
const BATCH = 100

/** An instance whose clock is ahead of Redis's by more seconds sweeps nothing: what seems over to it may be in force. */
const MOST_AHEAD_SECONDS = 3600

/** → the seconds of Redis's clock, or '' where our user may not ask. */
const CLOCK = script(`
local info = redis.pcall('INFO', 'server')
return type(info) == 'string' and string.match(info, 'server_time_usec:(%d+)%d%d%d%d%d%d') or ''`)

/** ARGV: ended before, how many at most → how many were deleted. */
const SWEEP_SESSIONS = script(
  SESSION,
  `
local ids = redis.call('ZRANGEBYSCORE', key('ends'), '-inf', '(' .. ARGV[1], 'LIMIT', 0, ARGV[2])
for _, id in ipairs(ids) do
  local session = read_session(id)
  if session then forget_session(session) else forget_lost(id) end
end
return #ids`,
)

/** ARGV: now, how many at most → how many were deleted. */
const SWEEP_BLOCKS = script(
  FLAT_BLOCK,
  `
local users = redis.call('ZRANGEBYSCORE', key('block-ends'), '-inf', ARGV[1], 'LIMIT', 0, ARGV[2])
for _, user in ipairs(users) do forget_block(user) end
return #users`,
)

/**
 * ARGV: before, how many at most → how many were deleted. It goes in the order of their last session, and stops at the
 * first user who stays.
 */
const SWEEP_USERS = script(
  KNOWN,
  `
local gone = 0
for _, user in ipairs(redis.call('ZRANGE', key('known-users'), 0, tonumber(ARGV[2]) - 1)) do
  if tonumber(redis.call('HGET', key('known-user', user), 'last_seen') or 0) >= tonumber(ARGV[1]) then break end
  forget_known(user)
  gone = gone + 1
end
return gone`,
)

/** ARGV: user, limit, now, keys of counters → how many sessions were deleted. */
const ERASE_SESSIONS = script(
  SESSION,
  KNOWN,
  `
local user, limit, now = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local gone = 0
redis.call('DEL', key('mints', user))
for at = 4, #ARGV do redis.call('DEL', key('counter', ARGV[at])) end
for _, id in ipairs(redis.call('ZRANGE', key('of-user', user), 0, -1)) do
  if gone == limit then return gone end
  local session = read_session(id)
  if not session then
    forget_lost(id)
    redis.call('ZREM', key('of-user', user), id)
  elseif session.status == 'cancelled' or session.status == 'replaced' or tonumber(session.expires_at) <= now then
    forget_session(session)
    gone = gone + 1
  end
end
-- A user with a session stays known. Without one, these sets name only sessions whose records Redis has evicted.
if redis.call('EXISTS', key('of-user', user)) == 0 then
  forget_known(user)
  redis.call('DEL', key('live', user), key('secrets', user), key('cancelling', user))
end
return gone`,
)

/** ARGV: now → sessions that have not ended, waiting cancels. */
const FIGURES = script(`
return { redis.call('ZCOUNT', key('ends'), '(' .. ARGV[1], '+inf'), redis.call('ZCARD', key('outbox')) }`)

export function createRetention(link: Link) {
  const toCount = (reply: unknown) => z.number().parse(reply)
  return {
    async sweep({ sessionsEndedBefore, auditBefore, usersSeenBefore, now }) {
      const clock = await link.run(CLOCK, [], (reply) => countOrNone.parse(reply))
      if (Date.now() / 1000 - (clock ?? Number.POSITIVE_INFINITY) > MOST_AHEAD_SECONDS) {
        const reason = 'Redis: its clock is over an hour behind ours, so nothing is removed'
        throw new ServiceError('store_unavailable', { reason })
      }
      for (const [step, before] of [
        [SWEEP_SESSIONS, sessionsEndedBefore],
        [SWEEP_BLOCKS, now - GENERATION_KEPT_SECONDS],
        [SWEEP_AUDIT, auditBefore],
        [SWEEP_USERS, usersSeenBefore],
      ] as const) {
        while ((await link.run(step, [before, BATCH, now], toCount)) > 0);
      }
    },
    async eraseUser({ user, limit, now }) {
      const gone = await link.run(ERASE_SESSIONS, [user, limit, now, ...countersOf(user)], toCount)
      const { found, changed } = await eraseEntries(link, user, limit - gone)
      return { erased: gone + changed, more: gone + found === limit }
    },
    figures: (now) =>
      link.run(FIGURES, [now], (reply) => {
        const [unended, waiting] = z.tuple([z.number(), z.number()]).parse(reply)
        // Approximate: a waiting cancel of an expired session is subtracted too.
        return { activeSessions: Math.max(0, unended - waiting), outboxLength: waiting }
      }),
  } satisfies Partial<Registry>
}
