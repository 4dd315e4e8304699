// Deletes keys whose retention is over and the keys of a user who is erased, in Redis; counts live sessions.
import { z } from 'zod'
import type { Registry } from '../port.ts'
import { SESSION, script } from './keys.ts'
import type { Link } from './link.ts'
import { count } from './replies.ts'
import { FLAT_BLOCK } from './revoke.ts'

/** Most sessions, blocks or entries that one script deletes: Redis serves nobody else meanwhile. */
const BATCH = 100

const FORGET_ENTRY = `
local function read_entry(id) return cjson.decode(redis.call('GET', key('audit-entry', id))) end
local function forget_entry(entry)
  redis.call('ZREM', key('audit'), entry.id)
  redis.call('ZREM', key('audit-of-action', entry.action), entry.id)
  if entry.user then redis.call('ZREM', key('audit-of-user', entry.user), entry.id) end
  redis.call('DEL', key('audit-entry', entry.id))
end
`

/** ARGV: ended before → how many were deleted. */
const SWEEP_SESSIONS = script(
  SESSION,
  `
local ids = redis.call('ZRANGEBYSCORE', key('ends'), '-inf', '(' .. ARGV[1], 'LIMIT', 0, ${BATCH})
for _, id in ipairs(ids) do forget_session(read_session(id)) end
return #ids`,
)

/** ARGV: now → how many were deleted. */
const SWEEP_BLOCKS = script(
  FLAT_BLOCK,
  `
local users = redis.call('ZRANGEBYSCORE', key('block-ends'), '-inf', ARGV[1], 'LIMIT', 0, ${BATCH})
for _, user in ipairs(users) do forget_block(user) end
return #users`,
)

/** ARGV: before → how many were deleted. It stops at the first entry that stays, in the order of creation. */
const SWEEP_AUDIT = script(
  FORGET_ENTRY,
  `
local gone = 0
for _, id in ipairs(redis.call('ZRANGE', key('audit'), 0, ${BATCH - 1})) do
  local entry = read_entry(id)
  if entry.at >= tonumber(ARGV[1]) then break end
  forget_entry(entry)
  gone = gone + 1
end
return gone`,
)

/** ARGV: user, action that stays, limit, now → how many sessions and entries were deleted. */
const ERASE = script(
  ...[SESSION, FORGET_ENTRY],
  `
local user, kept_action, limit, now = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local gone = 0
redis.call('DEL', key('mints', user))
for _, id in ipairs(redis.call('ZRANGE', key('of-user', user), 0, -1)) do
  if gone == limit then return gone end
  local session = read_session(id)
  if session.status == 'cancelled' or session.status == 'replaced' or tonumber(session.expires_at) <= now then
    forget_session(session)
    gone = gone + 1
  end
end
for _, id in ipairs(redis.call('ZRANGE', key('audit-of-user', user), 0, -1)) do
  if gone == limit then return gone end
  local entry = read_entry(id)
  if entry.action ~= kept_action then
    forget_entry(entry)
    gone = gone + 1
  end
end
return gone`,
)

/** ARGV: now → sessions that have not ended, waiting cancels. */
const FIGURES = script(`
return { redis.call('ZCOUNT', key('ends'), '(' .. ARGV[1], '+inf'), redis.call('ZCARD', key('outbox')) }`)

export function createRetention(link: Link) {
  const toCount = (reply: unknown) => count.parse(reply)
  return {
    async sweep({ sessionsEndedBefore, auditBefore, now }) {
      for (const [step, before] of [
        [SWEEP_SESSIONS, sessionsEndedBefore],
        [SWEEP_BLOCKS, now],
        [SWEEP_AUDIT, auditBefore],
      ] as const) {
        while ((await link.run(step, [before], toCount)) === BATCH);
      }
    },
    async eraseUser({ user, keptAction, limit, now }) {
      const erased = await link.run(ERASE, [user, keptAction, limit, now], toCount)
      return { erased, more: erased === limit }
    },
    figures: (now) =>
      link.run(FIGURES, [now], (reply) => {
        const [unended, waiting] = z.tuple([count, count]).parse(reply)
        // Approximate: a waiting cancel of an expired session is subtracted too.
        return { activeSessions: Math.max(0, unended - waiting), outboxLength: waiting }
      }),
  } satisfies Partial<Registry>
}
