// Records a new session in Redis, and ends the sessions that it replaces or evicts.
import { z } from 'zod'
import { minterOf } from '../identity.ts'
import { FIRST_LEASE_MS } from '../port.ts'
import type { NewEntry, RecordOutcome } from '../records.ts'
import { fromSession } from '../rows.ts'
import { SESSION, script, USER } from './keys.ts'
import { KNOWN, SEE, seenArgs } from './known-users.ts'
import type { Link } from './link/link.ts'
import { flat, sessions, texts } from './replies.ts'

/**
 * ARGV: now, generation, cap, 'evict_oldest' or 'deny', hash to replace or '', when its cancel is due
 * in ms, the minter, the three of {@link seenArgs}, then fields and values of the new session.
 * → { 'recorded' } and the sessions ended, { 'blocked' }, { 'full' } or { 'taken' }.
 *
 * Expired sessions stay in the set `live` until they are swept, so every reader gives `now` as lower bound.
 */
const RECORD = script(
  ...[USER, SESSION, KNOWN, SEE],
  `
local now, max, due, by = tonumber(ARGV[1]), tonumber(ARGV[3]), ARGV[6], ARGV[7]
local new = fields_of({ unpack(ARGV, 11) })
local id, user = new.id, new.user
local live = key('live', user)

local function repeated(known)
  local same = known.user == user and known.secret_hash == new.secret_hash
  if same and known.status == 'active' then return { { 'recorded' } } end
  return { { same and known.created_at == new.created_at and 'blocked' or 'taken' } }
end

local function session_to_replace()
  local replaced = ARGV[5] ~= '' and redis.call('HGET', key('secrets', user), ARGV[5])
  local session = replaced and read_session(replaced)
  return session and is_live(session, now) and session or nil
end

-- The user's live sessions but one, oldest first. Those whose record is gone, as when Redis evicts keys, are forgotten.
local function others_live(except)
  local found = {}
  for _, other in ipairs(redis.call('ZRANGEBYSCORE', live, '(' .. ARGV[1], '+inf')) do
    local seq = tonumber(redis.call('HGET', key('session', other), 'seq') or nil)
    if not seq then redis.call('ZREM', live, other)
    elseif other ~= except then found[#found + 1] = { id = other, seq = seq } end
  end
  table.sort(found, function(one, other) return one.seq < other.seq end)
  return found
end

local generation, blocked_until = state_of(user, now)
if generation ~= ARGV[2] or blocked_until then return { { 'blocked' } } end
local known = read_session(id)
if known then return repeated(known) end

local replaced = session_to_replace()
local kept = redis.call('ZCOUNT', live, '(' .. ARGV[1], '+inf') - (replaced and 1 or 0)
local others = kept + 1 > max and others_live(replaced and replaced.id) or {}
local over = #others + 1 - max
if over > 0 and ARGV[4] == 'deny' then return { { 'full' } } end

local evicted, reply = {}, { { 'recorded' } }
for at = 1, math.min(over, #others) do evicted[at] = read_session(others[at].id) end
if replaced and replaced.state then replace_session(replaced, now, by)
elseif replaced then reply[2] = begin_cancel(replaced, 'replaced', due, now, by) end
for _, session in ipairs(evicted) do reply[#reply + 1] = begin_cancel(session, 'evicted', due, now, by) end

-- As text: redis.call would write a number anew for each set.
local seq = string.format('%.0f', redis.call('INCR', key('seq')))
redis.call('HSET', key('session', id), 'seq', seq, 'ends_at', new.expires_at, unpack(ARGV, 11))
redis.call('HSET', key('secrets', user), new.secret_hash, id)
redis.call('ZADD', live, new.expires_at, id)
redis.call('ZADD', key('ends'), new.expires_at, id)
redis.call('ZADD', key('sessions'), seq, id)
redis.call('ZADD', key('of-user', user), seq, id)
redis.call('ZADD', key('of-workflow', new.workflow), seq, id)
redis.call('ZADD', key('of-subject', new.subject), seq, id)
if new.sid and not is_substitute(new.sid) then redis.call('ZADD', sign_in_list(new.issuer, new.sid), seq, id) end
see(new, { ARGV[8], ARGV[9], ARGV[10] }, seq, now)
return reply`,
)

const lists = z.array(texts)
const refusal = z.enum(['blocked', 'full', 'taken'])

/** Not a union of tuples, which takes zod several times as many instructions. */
function readReply(reply: unknown): RecordOutcome {
  const [[kind] = [], ...ended] = lists.parse(reply)
  if (kind === 'recorded') return { kind, ended: sessions.parse(ended) }
  return { kind: refusal.parse(kind) }
}

/** Records a session in one step. */
export function record(link: Link, entry: NewEntry): Promise<RecordOutcome> {
  const { session, generation, cap, replaces, now } = entry
  const due = now * 1000 + FIRST_LEASE_MS
  const step = [now, generation, cap.max, cap.whenFull, replaces ?? '', due, minterOf(session)]
  const args = [...step, ...seenArgs(session), ...flat(fromSession(session))]
  return link.run(RECORD, args, readReply)
}
