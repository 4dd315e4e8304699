// The outbox in Redis: cancels that the upstream has not confirmed yet.

import { LATEST_DUE_MS, type Registry } from '../port.ts'
import { SESSION, script } from './keys.ts'
import type { Link } from './link/link.ts'
import { sessions } from './replies.ts'

/** Most expired entries that one claim drops: Redis serves nobody else meanwhile. */
const DROPPED_PER_CLAIM = 500
/** Most entries that one claim makes due because the clock was set back. */
const MOVED_PER_CLAIM = 500

/** ARGV: now, ids… */
const CONFIRM = script(
  SESSION,
  `
for at = 2, #ARGV do
  local session = read_session(ARGV[at])
  if session then confirm_cancel(session, tonumber(ARGV[1]), ARGV[1]) end
end`,
)

/** ARGV: now in ms, end of the lease, limit → the sessions leased. */
const CLAIM = script(
  SESSION,
  `
local now, limit = tonumber(ARGV[1]), tonumber(ARGV[3])
local leased = {}
local far = '(' .. string.format('%.0f', now + ${LATEST_DUE_MS})
for _, id in ipairs(redis.call('ZRANGEBYSCORE', key('outbox'), far, '+inf', 'LIMIT', 0, ${MOVED_PER_CLAIM})) do
  redis.call('ZADD', key('outbox'), ARGV[1], id)
end
local upto = limit + ${DROPPED_PER_CLAIM}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', key('outbox'), '-inf', ARGV[1], 'LIMIT', 0, upto)) do
  local session = read_session(id)
  if not session then
    forget_lost(id)
  elseif tonumber(session.expires_at) * 1000 <= now then
    confirm_cancel(session, tonumber(session.expires_at))
  elseif #leased < limit then
    redis.call('ZADD', key('outbox'), ARGV[2], id)
    leased[#leased + 1] = flat_session(id)
  end
end
return leased`,
)

/** ARGV: id, due in ms. */
const POSTPONE = script(`redis.call('ZADD', key('outbox'), 'XX', ARGV[2], ARGV[1])`)

export function createOutbox(link: Link) {
  return {
    async confirmCancel(ids, now) {
      if (ids.length > 0) await link.run(CONFIRM, [now, ...ids], () => undefined)
    },
    async claimCancels({ nowMs, limit, leaseMs }) {
      if (limit < 1) return []
      return link.run(CLAIM, [nowMs, nowMs + leaseMs, limit], (reply) => sessions.parse(reply))
    },
    postponeCancel: (id, dueAtMs) => link.run(POSTPONE, [id, Math.ceil(dueAtMs)], () => undefined),
  } satisfies Partial<Registry>
}
