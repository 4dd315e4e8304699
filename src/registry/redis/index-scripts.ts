// Lua scripts on what belongs to no single user: global indexes, the audit, marks and counters.
import { script } from './client.ts'

/**
 * The steps on the global indexes, which all lie in one slot. None of them decides anything about a
 * user: they only make sure that a user step can be found again.
 */

/** A user with a new entry is looked at when it is due; LT: never later than was said before. */
export const ARM = `
local function arm(due, armed, tag, at, till)
  redis.call('ZADD', due, 'LT', at, tag)
  redis.call('ZADD', armed, 'GT', till, tag)
end
`

/** KEYS: due, armed, sessions. ARGV: id, due in ms, armed until → what is known of the id, or ''. */
export const ARM_SESSION = script(`${ARM}
local known = redis.call('HGET', KEYS[3], ARGV[1])
if known then arm(KEYS[1], KEYS[2], string.match(known, '^%S+'), ARGV[2], ARGV[3]) end
return known or ''`)

/**
 * KEYS: due, armed, place, blocks, block ends. ARGV: tag, due in ms, armed until, end of the block
 * or '' → place of the block or ''.
 */
export const ARM_USER = script(`${ARM}
arm(KEYS[1], KEYS[2], ARGV[1], ARGV[2], ARGV[3])
if ARGV[4] == '' then return '' end
local place = string.format('%.0f', redis.call('INCR', KEYS[3]))
redis.call('ZADD', KEYS[4], place, ARGV[1])
redis.call('ZADD', KEYS[5], 'GT', ARGV[4], ARGV[1])
return place`)

/** KEYS: due. ARGV: now in ms, end of the lease, limit → tags of the users leased. */
export const LEASE_USERS = script(`
local tags = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, ARGV[3])
for _, tag in ipairs(tags) do redis.call('ZADD', KEYS[1], ARGV[2], tag) end
return tags`)

/**
 * KEYS: due, armed. ARGV: now in ms, end of the lease, how long a user stays armed, then tag and
 * next due or '' of each user. A user without entries is looked at again, after ever longer
 * pauses, until no step that was announced can still be under way.
 */
export const SETTLE_USERS = script(`
local now, kept = tonumber(ARGV[1]), tonumber(ARGV[3])
for at = 4, #ARGV, 2 do
  local tag, due = ARGV[at], ARGV[at + 1]
  local score = redis.call('ZSCORE', KEYS[1], tag)
  if score and tonumber(score) == tonumber(ARGV[2]) then
    local till = tonumber(redis.call('ZSCORE', KEYS[2], tag) or '0')
    if due ~= '' then
      redis.call('ZADD', KEYS[1], due, tag)
    elseif till <= now then
      redis.call('ZREM', KEYS[1], tag)
      redis.call('ZREM', KEYS[2], tag)
    else
      local age = now - (till - kept)
      redis.call('ZADD', KEYS[1], string.format('%.0f', math.min(till, now + math.max(age, 5000))), tag)
    end
  end
end
return ''`)

/** KEYS: blocks, block ends. ARGV: now, tags… : drops those whose block is over. */
export const DROP_BLOCKS = script(`
for at = 2, #ARGV do
  local till = redis.call('ZSCORE', KEYS[2], ARGV[at])
  if not till or tonumber(till) <= tonumber(ARGV[1]) then
    redis.call('ZREM', KEYS[1], ARGV[at])
    redis.call('ZREM', KEYS[2], ARGV[at])
  end
end
return ''`)

/** KEYS: blocks, block ends. ARGV: tag, place: drops the one block that was lifted. */
export const DROP_BLOCK = script(`
local place = redis.call('ZSCORE', KEYS[1], ARGV[1])
if place and tonumber(place) == tonumber(ARGV[2]) then
  redis.call('ZREM', KEYS[1], ARGV[1])
  redis.call('ZREM', KEYS[2], ARGV[1])
end
return ''`)

/**
 * KEYS: place, entries, by place, by time, then two per entry: of its user, of its action.
 * ARGV: id, time, JSON of each entry.
 */
export const APPEND_AUDIT = script(`
for at = 1, #ARGV, 3 do
  local id = ARGV[at]
  if redis.call('HSETNX', KEYS[2], id, ARGV[at + 2]) == 1 then
    local place = redis.call('INCR', KEYS[1])
    local own = 5 + (at - 1) / 3 * 2
    for _, key in ipairs({ KEYS[3], KEYS[own], KEYS[own + 1] }) do redis.call('ZADD', key, place, id) end
    redis.call('ZADD', KEYS[4], ARGV[at + 1], id)
  end
end
return ''`)

/** KEYS: of the user, entries, by place, by time, then of the action of each entry. ARGV: ids. */
export const ERASE_AUDIT = script(`
for at, id in ipairs(ARGV) do
  redis.call('HDEL', KEYS[2], id)
  for _, key in ipairs({ KEYS[1], KEYS[3], KEYS[4], KEYS[4 + at] }) do redis.call('ZREM', key, id) end
end
return ''`)

/** KEYS: one mark. ARGV: issued before, keep until, seconds to keep. */
export const MARK = script(`
local before, till = string.match(redis.call('GET', KEYS[1]) or '', '^(%d+) (%d+)$')
before = math.max(tonumber(before or '0'), tonumber(ARGV[1]))
till = math.max(tonumber(till or '0'), tonumber(ARGV[2]))
local ttl = math.max(redis.call('TTL', KEYS[1]), tonumber(ARGV[3]))
redis.call('SET', KEYS[1], string.format('%.0f %.0f', before, till), 'EX', ttl)
return ''`)

/** Counts a use of a key, at a time and in a window of a length, in ms → 'uses end'. */
export const COUNT = `
local function count(key, now, length)
  local used, ends = string.match(redis.call('GET', key) or '', '^(%d+) (%d+)$')
  if not ends or tonumber(ends) <= now then used, ends = 0, now + length end
  local value = string.format('%.0f %.0f', tonumber(used) + 1, tonumber(ends))
  redis.call('SET', key, value, 'PX', length + 1000)
  return value
end
`

/** KEYS: one counter. ARGV: now in ms, length of the window in ms → 'uses end'. */
export const CONSUME = script(`${COUNT}
return count(KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2]))`)

/** KEYS: one memory. ARGV: now, until → '1' the first time, else ''. */
export const REMEMBER = script(`
if tonumber(redis.call('GET', KEYS[1]) or '0') > tonumber(ARGV[1]) then return '' end
redis.call('SET', KEYS[1], ARGV[2], 'EX', tonumber(ARGV[2]) - tonumber(ARGV[1]) + 60)
return '1'`)
