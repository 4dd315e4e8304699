import { script } from './script.ts'

/**
 * The steps on the lists of what is owned, which all lie in one slot. A member is in the lists before
 * its record is made and until after it is gone.
 */

/** Longer than a step that Redis executes late, after a hang, can take. */
const YOUNG_SECONDS = 900
/** How many old notes a claim clears away: more than it makes, and no more than it can afford. */
const CLEARED = 16

/**
 * KEYS: place, young, workflows, lists…. ARGV: hash of the thing, its workflow → its place.
 */
export const LIST_OWNED = script(`
local place = string.format('%.0f', redis.call('INCR', KEYS[1]))
local member, now = ARGV[1] .. ':' .. place, tonumber(redis.call('TIME')[1])
local old = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now - ${YOUNG_SECONDS}, 'LIMIT', 0, ${CLEARED})
if #old > 0 then redis.call('ZREM', KEYS[2], unpack(old)) end
redis.call('ZADD', KEYS[2], now, member)
redis.call('EXPIRE', KEYS[2], ${2 * YOUNG_SECONDS})
redis.call('SADD', KEYS[3], ARGV[2])
for at = 4, #KEYS do redis.call('ZADD', KEYS[at], place, member) end
return place`)

/** KEYS: young, lists…. ARGV: member: its claim was refused, or its record is gone. */
export const UNLIST_OWNED = script(`
for _, key in ipairs(KEYS) do redis.call('ZREM', key, ARGV[1]) end
return ''`)

/** KEYS: young, one list. ARGV: members without a record: goes what no claim can be making. */
export const REPAIR_OWNED = script(`
local before = tonumber(redis.call('TIME')[1]) - ${YOUNG_SECONDS}
for _, member in ipairs(ARGV) do
  local since = redis.call('ZSCORE', KEYS[1], member)
  if not since or tonumber(since) <= before then redis.call('ZREM', KEYS[2], member) end
end
return ''`)
