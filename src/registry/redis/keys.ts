// The Lua that scripts in Redis share: the names of keys, which all begin with the hash tag `{ckm}` and so share a slot;
// the state of a user; how a session begins and ends; how a use is counted.

import { hash } from 'node:crypto'

/**
 * `key(kind)` and `key(kind, name)`. The kind comes before the name, so no user or token can name a key of
 * another kind. The hash tag comes first, so braces in a name cannot move a key to another slot. A name of
 * several parts joins them by `\n`; the part that anybody may choose comes last. src/docs/store.md lists
 * the kinds.
 *
 * Scripts make keys that are not among `KEYS`. That is safe because all keys share one slot.
 */
const KEY = `
local prefix = KEYS[1] .. ':'
local function key(kind, name)
  return name and prefix .. kind .. ':' .. name or prefix .. kind
end
`

/**
 * Reads what is known of a user: the generation; the end of the block if one holds, which is over at its last second;
 * up to which seq a revoke has ended sessions.
 */
export const USER = `
local function state_of(user, now)
  local generation, till, ended_upto =
    unpack(redis.call('HMGET', key('user', user), 'generation', 'block_until', 'ended_upto'))
  till = tonumber(till)
  return generation or '0', till and till > now and till, tonumber(ended_upto or 0)
end

-- 1 when the user is on the list of users or a session is kept, else 0.
local function is_known(user)
  return math.min(1, redis.call('EXISTS', key('known-user', user), key('of-user', user)))
end
`

/**
 * Reads and changes sessions. A session is a hash under the names of SQLite's columns, of which `minted` holds as JSON
 * those that never change and that few steps read; whatever changes a session changes its indexes too.
 *
 * Redis keeps what a script wrote before it stopped, for example because its user lost a command. So each step writes,
 * or removes, last what says that the step is done: a repeated step then does the rest.
 */
export const SESSION = `
local function fields_of(flat)
  local record = {}
  for at = 1, #flat, 2 do record[flat[at]] = flat[at + 1] end
  return record
end

local function flat_session(id)
  return redis.call('HGETALL', key('session', id))
end

-- Fails on a damaged session, before the script has changed anything.
local function read_session(id)
  local session = fields_of(flat_session(id))
  if not next(session) then return nil end
  for name, value in pairs(session.minted and cjson.decode(session.minted) or {}) do session[name] = value end
  if not (session.user and session.issuer and session.subject and session.status
    and tonumber(session.seq) and tonumber(session.expires_at)) then
    error('session ' .. id .. ' is not what it should be')
  end
  return session
end

local function is_live(session, now)
  return session.status == 'active' and tonumber(session.expires_at) > now
end

-- by: '' when the service itself ends it.
local function end_session(session, status, reason, now, by)
  local id, hash = session.id, key('session', session.id)
  redis.call('ZADD', key('ended'), session.seq, id)
  redis.call('HSET', hash, 'status', status, 'end_reason', reason, 'ended_at', string.format('%.0f', now))
  if by ~= '' then redis.call('HSET', hash, 'ended_by', by) end
  redis.call('ZREM', key('live', session.user), id)
end

-- Puts the cancel into the outbox, due at a time in ms. Returns the session as it is then.
local function begin_cancel(session, reason, due, now, by)
  redis.call('ZADD', key('outbox'), due, session.id)
  redis.call('SADD', key('cancelling', session.user), session.id)
  end_session(session, 'cancelling', reason, now, by)
  return flat_session(session.id)
end

-- Without confirmed_at the cancel is dropped, because nothing is left to cancel.
local function confirm_cancel(session, at, confirmed_at)
  local id = session.id
  if session.status == 'cancelling' then
    redis.call('ZADD', key('ends'), math.min(tonumber(session.expires_at), at), id)
    redis.call('SREM', key('cancelling', session.user), id)
    if confirmed_at then redis.call('HSET', key('session', id), 'confirmed_at', confirmed_at) end
    redis.call('HSET', key('session', id), 'status', 'cancelled')
  end
  redis.call('ZREM', key('outbox'), id)
end

-- A refresh replaces a self-hosted session: its running answers go on, and there is no cancel to send.
local function replace_session(session, now, by)
  redis.call('ZADD', key('ends'), now, session.id)
  end_session(session, 'replaced', 'replaced', now, by)
end

-- Ends the running answers of a session that was replaced or has expired: end_reason says so.
local function end_answers(session, now, reason)
  if session.status == 'replaced' and session.end_reason == 'replaced'
    or not session.end_reason and tonumber(session.expires_at) <= now then
    redis.call('HSET', key('session', session.id), 'end_reason', reason)
  end
end

-- A substitute for a sid (identity.ts) has no list of its own: the list of its subject has all its sessions.
local function sign_in_list(issuer, sid)
  if string.byte(sid) == 0 then return key('of-subject', string.sub(sid, 2)) end
  return key('of-sign-in', issuer .. '\\n' .. sid)
end

local function forget_session(session)
  local id, user = session.id, session.user
  redis.call('SREM', key('cancelling', user), id)
  if redis.call('HGET', key('secrets', user), session.secret_hash) == id then
    redis.call('HDEL', key('secrets', user), session.secret_hash)
  end
  for _, set in ipairs({ key('sessions'), key('ended'), key('outbox'), key('live', user),
    key('of-workflow', session.workflow), key('of-subject', session.subject),
    session.sid and key('of-sign-in', session.issuer .. '\\n' .. session.sid) }) do
    redis.call('ZREM', set, id)
  end
  redis.call('DEL', key('session', id))
  redis.call('ZREM', key('ends'), id)
  redis.call('ZREM', key('of-user', user), id)
end

-- Removes a session whose record is gone, as when Redis evicts keys, from the sets that all sessions share.
local function forget_lost(id)
  for _, kind in ipairs({ 'sessions', 'ends', 'ended', 'outbox' }) do redis.call('ZREM', key(kind), id) end
end
`

/**
 * Reads the later of a subject's and a `sid`'s logout mark, as far as they hold; a mark is 'issued before, keep until'.
 */
export const MARKS = `
local function logged_out_at(marks, now)
  local latest
  for _, mark in pairs(marks) do
    local before, till = string.match(mark or '', '^(%d+) (%d+)$')
    if till and tonumber(till) > now then latest = math.max(latest or 0, tonumber(before)) end
  end
  return latest
end
`

/**
 * Counts one use: key and value of the counter, time and length of the window in ms → 'uses end'. A window that was
 * begun before the clock was set back ends one length from now.
 */
export const COUNT = `
local function count(counter, value, now, length)
  local used, ends = string.match(value or '', '^(%d+) (%d+)$')
  if not ends or tonumber(ends) <= now then used, ends = 0, now + length end
  ends = math.min(tonumber(ends), now + length)
  -- In a Redis of 32 bits %d has too few bits for milliseconds.
  value = string.format('%d %.0f', used + 1, ends)
  redis.call('SET', counter, value, 'PX', length + 1000)
  return value
end
`

/** A Lua script and the SHA-1 under which Redis caches it. */
export type Script = ReturnType<typeof script>

/**
 * A script that may use {@link KEY} and the given parts.
 *
 * @param parts - Lua; the last part is the step itself
 */
export function script(...parts: readonly string[]) {
  const text = KEY + parts.join('')
  return { text, sha: hash('sha1', text) }
}
