// Records a new session in Redis, and ends the sessions that it replaces or evicts.

import { z } from 'zod'
import { subjectBehind } from '../identity.ts'
import { FIRST_LEASE_MS } from '../port.ts'
import type { NewEntry, RecordOutcome } from '../records.ts'
import { MARKS, SESSION, script, USER } from './keys.ts'
import { BY_KEY, namesJson, SEE } from './known-users.ts'
import type { Link } from './link/link.ts'
import { mintedJson, sessions, texts } from './replies.ts'

/**
 * Seconds for which a mint keeps the user's generation, which links to files name: the longest stream, a day, and the lives
 * of its session and of the last link in it.
 */
const LINKS_LAST_SECONDS = 26 * 3600

/**
 * ARGV: now, generation, cap, 'evict_oldest' or 'deny', id of the session to replace or '', {@link namesJson}, when
 * the token was issued or '', then id, user, workflow, issuer, subject, hash of the secret, expiry, {@link mintedJson}
 * and, where it has a list, `sid` of the new session.
 * → { 'recorded' } and the sessions ended, { 'blocked' }, { 'logged_out' }, { 'full' } or { 'taken' }.
 *
 * Expired sessions stay in the set `live` until they are swept, so every reader gives `now` as lower bound. Most mints
 * end no session, and do not make the functions that do.
 */
const RECORD = script(
  USER,
  BY_KEY,
  `
local now, max = tonumber(ARGV[1]), tonumber(ARGV[3])
local id, user, workflow, issuer, subject, secret_hash, expires_at, minted, sid = unpack(ARGV, 8, 16)
local hash, live = key('session', id), key('live', user)

local generation, blocked_until, ended_upto = state_of(user, now)
if blocked_until then return { { 'blocked' } } end
-- A logout raises the generation too, so its marks come first: the client must sign in, not ask an admin.
if ARGV[7] ~= '' then
  ${MARKS}
  local logged_out = logged_out_at(redis.call('MGET', key('logout-subject', issuer .. '\\n' .. subject),
    key('logout-sid', issuer .. '\\n' .. (cjson.decode(minted).sid or ''))), now)
  if logged_out and tonumber(ARGV[7]) < logged_out then return { { 'logged_out' } } end
end
if generation ~= ARGV[2] then return { { 'blocked' } } end
local of, status, known_minted = unpack(redis.call('HMGET', hash, 'user', 'status', 'minted'))
if of then
  local known = cjson.decode(known_minted)
  local same = of == user and known.secret_hash == secret_hash
  if not same or status ~= 'active' then
    return { { same and known.created_at == cjson.decode(minted).created_at and 'blocked' or 'taken' } }
  end
  if redis.call('ZSCORE', key('sessions'), id) then return { { 'recorded' } } end
end

local reply = { { 'recorded' } }
local kept = redis.call('ZCOUNT', live, '(' .. ARGV[1], '+inf')
if ARGV[5] ~= '' or kept >= max then
  ${SESSION}

  local function session_to_replace()
    local session = ARGV[5] ~= '' and read_session(ARGV[5])
    return session and session.user == user and is_live(session, now) and session
  end

  -- The user's live sessions but one, oldest first. Those whose record is gone, as when Redis evicts keys, are forgotten.
  local function others_live(except)
    local found = {}
    for _, other in ipairs(redis.call('ZRANGEBYSCORE', live, '(' .. ARGV[1], '+inf')) do
      local seq = tonumber(redis.call('HGET', key('session', other), 'seq'))
      if not seq then redis.call('ZREM', live, other)
      elseif other ~= except and other ~= id then found[#found + 1] = { id = other, seq = seq } end
    end
    table.sort(found, function(one, other) return one.seq < other.seq end)
    return found
  end

  local replaced = session_to_replace()
  local others = kept + (replaced and 0 or 1) > max and others_live(replaced and replaced.id) or {}
  local over = #others + 1 - max
  if over > 0 and ARGV[4] == 'deny' then return { { 'full' } } end

  local evicted = {}
  local due, by = now * 1000 + ${FIRST_LEASE_MS}, by_key(issuer) and issuer or issuer .. '|' .. subject
  for at = 1, over do evicted[at] = read_session(others[at].id) end
  if replaced and replaced.state then replace_session(replaced, now, by)
  elseif replaced then reply[2] = begin_cancel(replaced, 'replaced', due, now, by) end
  for _, session in ipairs(evicted) do reply[#reply + 1] = begin_cancel(session, 'evicted', due, now, by) end
end

local seq = redis.call('INCR', key('seq'))
-- Redis has evicted the counter: without this the new session would be among those that a revoke has ended.
if seq <= ended_upto then
  seq = ended_upto + 1
  redis.call('SET', key('seq'), seq)
end
-- As text: redis.call would write a number anew for each set.
seq = string.format('%d', seq)
-- If this step stops midway, a revoke, an erase and the sweep find what is there. The last set says that it is whole.
redis.call('ZADD', key('ends'), expires_at, id)
redis.call('HSET', hash, 'seq', seq, 'user', user, 'status', 'active', 'expires_at', expires_at, 'minted', minted)
redis.call('ZADD', live, expires_at, id)
redis.call('ZADD', key('of-user', user), seq, id)
redis.call('HSET', key('secrets', user), secret_hash, id)
redis.call('ZADD', key('of-workflow', workflow), seq, id)
redis.call('ZADD', key('of-subject', subject), seq, id)
if sid then redis.call('ZADD', key('of-sign-in', issuer .. '\\n' .. sid), seq, id) end
${SEE}
if generation ~= '0' and redis.call('TTL', key('user', user)) < ${LINKS_LAST_SECONDS} then
  redis.call('EXPIRE', key('user', user), ${LINKS_LAST_SECONDS})
end
redis.call('ZADD', key('sessions'), seq, id)
return reply`,
)

const lists = z.array(texts)
const refusal = z.enum(['blocked', 'logged_out', 'full', 'taken'])

/** Not a union of tuples, which takes zod several times as many instructions. */
function readReply(reply: unknown): RecordOutcome {
  const [[kind] = [], ...ended] = lists.parse(reply)
  if (kind === 'recorded') return { kind, ended: sessions.parse(ended) }
  return { kind: refusal.parse(kind) }
}

/** Records a session in one step. */
export function record(link: Link, entry: NewEntry): Promise<RecordOutcome> {
  const { session, generation, cap, replaces = '', tokenIssuedAt = '', now } = entry
  const { id, user, workflow, issuer, subject, secretHash, expiresAt, sid } = session
  const step = [now, generation, cap.max, cap.whenFull, replaces, namesJson(session), tokenIssuedAt]
  const fields = [id, user, workflow, issuer, subject, secretHash, expiresAt, mintedJson(session)]
  const list = sid === undefined || subjectBehind(sid) !== undefined ? [] : [sid]
  return link.run(RECORD, [...step, ...fields, ...list], readReply)
}
