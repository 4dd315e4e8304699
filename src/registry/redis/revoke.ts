// Ends sessions of a user or a single one, sets and lifts blocks, and marks logouts, in Redis.

import { z } from 'zod'
import { FIRST_LEASE_MS, GENERATION_KEPT_SECONDS, type Registry } from '../port.ts'
import { type Block, type LogoutMark, toBlock, type UserRevoke } from '../records.ts'
import { userId } from '../rows.ts'
import { SESSION, script, USER } from './keys.ts'
import type { Link } from './link/link.ts'
import { count, countOrNone, row, sessionOrNone, sessions } from './replies.ts'

/** A mark is kept a day longer than asked, in case clocks differ. */
const MARK_KEPT_SECONDS = 86_400

/**
 * ARGV: now, user, why, when the cancels are due in ms, issuer, subject and `sid` or '', seconds to keep
 * the generation, who revokes, then for a block: until, who, and why if there is a reason.
 * → end of the block that holds or '', the generation, 1 when the user is known, sessions whose cancel is not confirmed.
 */
const REVOKE = script(
  USER,
  SESSION,
  `
local now, user = tonumber(ARGV[1]), ARGV[2]
local issuer, subject, sid = ARGV[5], ARGV[6], ARGV[7]
local until_then, by, reason = tonumber(ARGV[10]), ARGV[11], ARGV[12]

-- The user's sessions of this identity that expire after a time, each found once.
local seen = {}
local function matching(ids, after)
  local found = {}
  for _, id in ipairs(ids) do
    local session = not seen[id] and read_session(id)
    if session and session.user == user and tonumber(session.expires_at) > after
      and (issuer == '' or session.issuer == issuer) and (subject == '' or session.subject == subject)
      and (sid == '' or session.sid == sid) then found[#found + 1], seen[id] = session, true end
  end
  return found
end

local state = key('user', user)
local live = matching(redis.call('ZRANGEBYSCORE', key('live', user), '(' .. ARGV[1], '+inf'), now)
local unconfirmed = matching(redis.call('SMEMBERS', key('cancelling', user)), now)
local _, holds, ended_upto = state_of(user, now)
local of_identity = {}
if issuer ~= '' then
  local set = sid ~= '' and sign_in_list(issuer, sid)
    or subject ~= '' and key('of-subject', subject) or key('of-user', user)
  of_identity = matching(redis.call('ZRANGE', set, 0, -1), 0)
end

local generation = redis.call('HINCRBY', state, 'generation', 1)
if until_then and until_then > (holds or 0) then
  redis.call('ZADD', key('blocks'), redis.call('INCR', key('seq')), user)
  redis.call('ZADD', key('block-ends'), ARGV[10], user)
  redis.call('HDEL', state, 'block_reason')
  if reason then redis.call('HSET', state, 'block_reason', reason) end
  redis.call('HSET', state, 'block_until', ARGV[10], 'block_by', by, 'block_created_at', ARGV[1])
  holds = until_then > now and until_then or nil
end
if redis.call('TTL', state) < tonumber(ARGV[8]) then redis.call('EXPIRE', state, ARGV[8]) end

-- Sessions that were replaced or have expired may have running answers: those of all the user's sessions
-- end by one field, those of an identity's sessions one by one.
-- Redis may have evicted the counter: then it is lower than the seq of these sessions.
if issuer == '' then
  local newest = redis.call('ZRANGE', key('of-user', user), -1, -1, 'WITHSCORES')[2]
  redis.call('HSET', state, 'ended_upto', math.max(ended_upto, newest or 0, redis.call('GET', key('seq')) or 0))
end
for _, session in ipairs(of_identity) do end_answers(session, now, ARGV[3]) end

for _, session in ipairs(live) do
  begin_cancel(session, ARGV[3], ARGV[4], now, ARGV[9])
  unconfirmed[#unconfirmed + 1] = session
end
table.sort(unconfirmed, function(one, other) return tonumber(one.seq) < tonumber(other.seq) end)
local reply = {}
for at, session in ipairs(unconfirmed) do reply[at] = flat_session(session.id) end
return { tostring(holds or ''), generation, is_known(user), reply }`,
)

/** ARGV: now, id, when the cancel is due in ms, who cancels or '' → the session as it is now, or an empty row. */
const BEGIN_CANCEL = script(
  SESSION,
  `
local now, session = tonumber(ARGV[1]), read_session(ARGV[2])
if session and is_live(session, now) then return begin_cancel(session, 'cancelled', ARGV[3], now, ARGV[4]) end
if session then end_answers(session, now, 'cancelled') end
return flat_session(ARGV[2])`,
)

/** Lua that reads a user's block as a row (also one that is over; empty when there is none), or deletes it. */
export const FLAT_BLOCK = `
local function flat_block(user)
  local till, by, created_at, reason = unpack(redis.call('HMGET', key('user', user),
    'block_until', 'block_by', 'block_created_at', 'block_reason'))
  if not till then return {} end
  local flat = { 'user', user, 'until', till, 'by', by, 'created_at', created_at }
  if reason then flat[9], flat[10] = 'reason', reason end
  return flat
end

local function forget_block(user)
  redis.call('HDEL', key('user', user), 'block_until', 'block_by', 'block_created_at', 'block_reason')
  redis.call('ZREM', key('blocks'), user)
  redis.call('ZREM', key('block-ends'), user)
end
`

/** ARGV: user. */
const READ_BLOCK = script(FLAT_BLOCK, 'return flat_block(ARGV[1])')

/** ARGV: now, user, the generation it must still be or '' → 1 when a block held. */
const LIFT_BLOCK = script(
  USER,
  FLAT_BLOCK,
  `
local generation, held = state_of(ARGV[2], tonumber(ARGV[1]))
if ARGV[3] ~= '' and generation ~= ARGV[3] then return 0 end
forget_block(ARGV[2])
return held and 1 or 0`,
)

/** ARGV: issuer, subject or '', `sid` or '' → users. */
const USERS_OF = script(
  SESSION,
  `
local issuer, subject, sid = ARGV[1], ARGV[2], ARGV[3]
local users, known = {}, {}
local function add(set, sid)
  for _, id in ipairs(redis.call('ZRANGE', set, 0, -1)) do
    local user, minted = unpack(redis.call('HMGET', key('session', id), 'user', 'minted'))
    local of = user and cjson.decode(minted)
    if of and of.issuer == issuer and (not sid or of.sid == sid) and not known[user] then
      known[user] = true
      users[#users + 1] = user
    end
  end
end
if subject ~= '' then add(key('of-subject', subject)) end
if sid ~= '' then add(sign_in_list(issuer, sid), sid) end
return users`,
)

/** ARGV: issuer, issued before, keep until, seconds to keep, subject or '', `sid` or ''. */
const MARK = script(`
for kind, value in pairs({ subject = ARGV[5], sid = ARGV[6] }) do
  if value ~= '' then
    local mark = key('logout-' .. kind, ARGV[1] .. '\\n' .. value)
    local before, till = string.match(redis.call('GET', mark) or '', '^(%d+) (%d+)$')
    before = math.max(tonumber(before or '0'), tonumber(ARGV[2]))
    till = math.max(tonumber(till or '0'), tonumber(ARGV[3]))
    local ttl = math.max(redis.call('TTL', mark), tonumber(ARGV[4]))
    redis.call('SET', mark, string.format('%.0f %.0f', before, till), 'EX', ttl)
  end
end`)

const revokeReply = z.tuple([countOrNone, count, count, sessions])
const blockOrNone = row.transform((fields) => ('user' in fields ? toBlock(fields) : undefined))

export function createRevokes(link: Link) {
  return {
    async revoke(command) {
      const read = (reply: unknown) => revokeReply.parse(reply)
      const reply = await link.runReplicated(REVOKE, revokeArgs(command), read)
      const [blockedUntil, generation, known, cancelling] = reply
      return { cancelling, blockedUntil, generation, known: known === 1 }
    },
    beginCancel: (id, now, by = '') =>
      link.runReplicated(BEGIN_CANCEL, [now, id, now * 1000 + FIRST_LEASE_MS, by], (reply) =>
        sessionOrNone.parse(reply),
      ),
    getBlock: (user, now) =>
      link.run(READ_BLOCK, [user], (reply): Block | undefined => {
        const block = blockOrNone.parse(reply)
        return block !== undefined && now < block.until ? block : undefined
      }),
    liftBlock: (user, now, generation) =>
      link.run(LIFT_BLOCK, [now, user, generation ?? ''], (reply) => count.parse(reply) === 1),
    usersOf: ({ issuer, subject, sid }) =>
      link.run(USERS_OF, [issuer, subject ?? '', sid ?? ''], (reply) =>
        z.array(userId).parse(reply).toSorted(),
      ),
    markLogout: (mark) => link.runReplicated(MARK, markArgs(mark), () => undefined),
  } satisfies Partial<Registry>
}

function revokeArgs({ user, endReason, identity, block, now, by }: UserRevoke) {
  const { issuer = '', subject = '', sid = '' } = identity ?? {}
  const kept = Math.max(0, (block?.until ?? now) - now) + GENERATION_KEPT_SECONDS
  const args = [now, user, endReason, now * 1000 + FIRST_LEASE_MS, issuer, subject, sid, kept, by]
  if (block === undefined) return args
  const why = block.reason === undefined ? [] : [block.reason]
  return [...args, block.until, block.by, ...why]
}

function markArgs({ issuer, issuedBefore, keepUntil, subject, sid }: LogoutMark) {
  const kept = Math.max(0, keepUntil - issuedBefore) + MARK_KEPT_SECONDS
  return [issuer, issuedBefore, keepUntil, kept, subject ?? '', sid ?? '']
}
