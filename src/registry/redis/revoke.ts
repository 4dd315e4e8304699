// Ends sessions of a user or a single one, sets and lifts blocks, and marks logouts, in Redis.

import { z } from 'zod'
import { FIRST_LEASE_MS, GENERATION_KEPT_SECONDS, type Registry } from '../port.ts'
import { toBlock } from '../records.ts'
import { userId } from '../rows.ts'
import { SESSION, script, USER } from './keys.ts'
import type { Link } from './link/link.ts'
import { countOrNone, row, sessionOrNone, sessions } from './replies.ts'

/** A mark is kept a day longer than asked, in case clocks differ. */
const MARK_KEPT_SECONDS = 86_400

/**
 * ARGV: JSON of the command, with `due`, when the cancels are due in ms, and `kept`, seconds to keep the generation.
 * → end of the block that holds or '', the generation of the block that held before or '', the user's generation, 1 when
 * the user is known, sessions whose cancel is not confirmed.
 */
const REVOKE = script(
  USER,
  SESSION,
  `
local command = cjson.decode(ARGV[1])
local now, user, block, identity = command.now, command.user, command.block, command.identity or {}
local issuer, subject, sid = identity.issuer, identity.subject, identity.sid

-- The user's sessions of this identity that expire after a time, each found once.
local seen = {}
local function matching(ids, after)
  local found = {}
  for _, id in ipairs(ids) do
    local session = not seen[id] and read_session(id)
    if session and session.user == user and tonumber(session.expires_at) > after
      and (not issuer or session.issuer == issuer) and (not subject or session.subject == subject)
      and (not sid or session.sid == sid) then found[#found + 1], seen[id] = session, true end
  end
  return found
end

local state = key('user', user)
local live = matching(redis.call('ZRANGEBYSCORE', key('live', user), '(' .. now, '+inf'), now)
local unconfirmed = matching(redis.call('SMEMBERS', key('cancelling', user)), now)
local _, holds, ended_upto = state_of(user, now)
local of_identity = {}
if issuer then
  -- Not the list of the user, to which thousands of subjects may map.
  local set = sid and sign_in_list(issuer, sid) or subject and key('of-subject', subject) or key('of-user', user)
  -- Thousands may have ended for good in a day: reading each of them whole would take Redis as long as an outage.
  local finishing = {}
  for _, id in ipairs(redis.call('ZRANGE', set, 0, -1)) do
    local status, reason = unpack(redis.call('HMGET', key('session', id), 'status', 'end_reason'))
    if not reason or status == 'replaced' and reason == 'replaced' then finishing[#finishing + 1] = id end
  end
  of_identity = matching(finishing, 0)
end

local generation = redis.call('HINCRBY', state, 'generation', 1)
local before = holds and (redis.call('HGET', state, 'block_generation') or '0') or ''
local till = block and block['until']
if till then redis.call('HSET', state, 'block_generation', generation) end
if till and till > (holds or 0) then
  redis.call('ZADD', key('blocks'), redis.call('INCR', key('seq')), user)
  redis.call('ZADD', key('block-ends'), till, user)
  redis.call('HDEL', state, 'block_reason')
  if block.reason then redis.call('HSET', state, 'block_reason', block.reason) end
  redis.call('HSET', state, 'block_until', till, 'block_by', block.by, 'block_created_at', now)
  holds = till
end
if redis.call('TTL', state) < command.kept then redis.call('EXPIRE', state, command.kept) end

-- Sessions that were replaced or have expired may have running answers: those of all the user's sessions
-- end by one field, those of an identity's sessions one by one.
-- Redis may have evicted the counter: then it is lower than the seq of these sessions.
if not issuer then
  local newest = redis.call('ZRANGE', key('of-user', user), -1, -1, 'WITHSCORES')[2]
  redis.call('HSET', state, 'ended_upto', math.max(ended_upto, newest or 0, redis.call('GET', key('seq')) or 0))
end
for _, session in ipairs(of_identity) do end_answers(session, now, command.endReason) end

for _, session in ipairs(live) do
  begin_cancel(session, command.endReason, command.due, now, command.by)
  unconfirmed[#unconfirmed + 1] = session
end
table.sort(unconfirmed, function(one, other) return tonumber(one.seq) < tonumber(other.seq) end)
local reply = {}
for at, session in ipairs(unconfirmed) do reply[at] = flat_session(session.id) end
return { tostring(holds or ''), before, generation, is_known(user), reply }`,
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

/** Lua that reads a user's block as a row, nil when none holds, or deletes it. */
export const FLAT_BLOCK = `
local function flat_block(user, now)
  local till, by, created_at, generation, reason = unpack(redis.call('HMGET', key('user', user),
    'block_until', 'block_by', 'block_created_at', 'block_generation', 'block_reason'))
  if not till or tonumber(till) <= tonumber(now) then return nil end
  local flat = { 'user', user, 'until', till, 'by', by, 'created_at', created_at, 'generation', generation or '0' }
  if reason then flat[11], flat[12] = 'reason', reason end
  return flat
end

local function forget_block(user)
  redis.call('HDEL', key('user', user), 'block_until', 'block_by', 'block_created_at', 'block_generation',
    'block_reason')
  redis.call('ZREM', key('blocks'), user)
  redis.call('ZREM', key('block-ends'), user)
end
`

/** ARGV: user, now. */
const READ_BLOCK = script(FLAT_BLOCK, 'return flat_block(unpack(ARGV)) or {}')

/** ARGV: now, user, the generation that the block must have or '' → 1 when a block held. */
const LIFT_BLOCK = script(
  USER,
  FLAT_BLOCK,
  `
local _, held = state_of(ARGV[2], tonumber(ARGV[1]))
if ARGV[3] ~= '' and redis.call('HGET', key('user', ARGV[2]), 'block_generation') ~= ARGV[3] then return 0 end
forget_block(ARGV[2])
if not held then return 0 end
-- While a block held, no mint has prolonged this for its links.
redis.call('EXPIRE', key('user', ARGV[2]), ${GENERATION_KEPT_SECONDS})
return 1`,
)

/** ARGV: issuer, subject or '', `sid` or '' → users. */
const USERS_OF = script(
  SESSION,
  `
local issuer, subject, sid = ARGV[1], ARGV[2], ARGV[3]
local users, known = {}, {}
local function add(set, sid)
  for _, id in ipairs(redis.call('ZRANGE', set, 0, -1)) do
    local user = redis.call('HGET', key('session', id), 'user')
    local of = user and not known[user] and cjson.decode(redis.call('HGET', key('session', id), 'minted'))
    if of and of.issuer == issuer and (not sid or of.sid == sid) then
      known[user] = true
      users[#users + 1] = user
    end
  end
end
if subject ~= '' then add(key('of-subject', subject)) end
if sid ~= '' then add(sign_in_list(issuer, sid), sid) end
return users`,
)

/** ARGV: JSON of the mark, with `kept`, seconds to keep it. */
const MARK = script(`
local given = cjson.decode(ARGV[1])
for kind, value in pairs({ subject = given.subject, sid = given.sid }) do
  local mark = key('logout-' .. kind, given.issuer .. '\\n' .. value)
  local before, till = string.match(redis.call('GET', mark) or '', '^(%d+) (%d+)$')
  before = math.max(tonumber(before or '0'), given.issuedBefore)
  till = math.max(tonumber(till or '0'), given.keepUntil)
  local ttl = math.max(redis.call('TTL', mark), given.kept)
  redis.call('SET', mark, string.format('%.0f %.0f', before, till), 'EX', ttl)
end`)

const revokeReply = z.tuple([countOrNone, countOrNone, z.number(), z.number(), sessions])
const blockOrNone = row.transform((fields) => ('user' in fields ? toBlock(fields) : undefined))

export function createRevokes(link: Link) {
  return {
    async revoke(command) {
      const { now, block } = command
      const due = now * 1000 + FIRST_LEASE_MS
      const kept = Math.max(0, (block?.until ?? now) - now) + GENERATION_KEPT_SECONDS
      const args = [JSON.stringify({ ...command, due, kept })]
      const reply = await link.runReplicated(REVOKE, args, (answer) => revokeReply.parse(answer))
      const [blockedUntil, blockBefore, generation, known, cancelling] = reply
      return { cancelling, blockedUntil, blockBefore, generation, known: known === 1 }
    },
    beginCancel: (id, now, by = '') =>
      link.runReplicated(BEGIN_CANCEL, [now, id, now * 1000 + FIRST_LEASE_MS, by], (reply) =>
        sessionOrNone.parse(reply),
      ),
    getBlock: (user, now) => link.run(READ_BLOCK, [user, now], (reply) => blockOrNone.parse(reply)),
    liftBlock: (user, now, generation) =>
      link.run(LIFT_BLOCK, [now, user, generation ?? ''], (reply) => reply === 1),
    usersOf: ({ issuer, subject, sid }) =>
      link.run(USERS_OF, [issuer, subject ?? '', sid ?? ''], (reply) =>
        z.array(userId).parse(reply).toSorted(),
      ),
    markLogout: (mark) => {
      const kept = Math.max(0, mark.keepUntil - mark.issuedBefore) + MARK_KEPT_SECONDS
      return link.runReplicated(MARK, [JSON.stringify({ ...mark, kept })], () => undefined)
    },
  } satisfies Partial<Registry>
}
