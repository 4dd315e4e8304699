import { ARM } from './index-scripts.ts'
import { script } from './script.ts'
import { PRELUDE } from './user-scripts.ts'

/**
 * `at` keys come before: due, armed, place, sessions, ends, the session's six lists, its identity
 * sets. Of the session: id, expiry, hashes, user as JSON; when the due list is to be told: due in ms
 * and armed until. → the session's place, or '' when the id is another user's.
 */
const INDEXING = `${ARM}
local function index_session(at, now, session)
  local id, expires, tag = session.id, session.expires, string.match(session.hashes, '^%S+')
  if session.till ~= '' then arm(KEYS[at + 1], KEYS[at + 2], tag, session.due, session.till) end
  local known = redis.call('HGET', KEYS[at + 4], id)
  if known then
    local owner, place = string.match(known, '^(%S+) (%d+) ')
    return owner == tag and place or ''
  end
  local place = string.format('%.0f', redis.call('INCR', KEYS[at + 3]))
  redis.call('HSET', KEYS[at + 4], id, tag .. ' ' .. place .. ' ' .. session.hashes)
  redis.call('ZADD', KEYS[at + 5], expires, id)
  for list = at + 6, at + 11 do redis.call('ZADD', KEYS[list], place, id) end
  local ttl = math.max(tonumber(expires) - now, 0) + 86400
  for set = at + 12, #KEYS do
    redis.call('ZREMRANGEBYSCORE', KEYS[set], '-inf', now - 86400)
    redis.call('ZADD', KEYS[set], 'GT', expires, session.user)
    if redis.call('TTL', KEYS[set]) < ttl then redis.call('EXPIRE', KEYS[set], ttl) end
  end
  return place
end
`

/**
 * ARGV: now, id, expiry, due, armed until or '', then generation, secret hash, row before and after
 * its place, max, when full, hash to replace or '', seconds to keep.
 * → 'recorded' and the rows ended, 'blocked', 'full', 'taken' or 'arm'.
 *
 * What has expired stays countable for a minute, for instances whose clocks are behind.
 */
const RECORDING = `${PRELUDE}
local function record(place)
  local now, id, max = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[10])
  if (redis.call('HGET', U, 'g') or '0') ~= ARGV[6] or held(now) then return { 'blocked' } end
  local known = get(id)
  if known then return { known.hash ~= ARGV[7] and 'taken' or known.status == 'active' and 'recorded' or 'blocked' } end
  local gone = redis.call('ZRANGEBYSCORE', LE, '-inf', now - 60)
  for _, id in ipairs(gone) do redis.call('ZREM', LE, id); redis.call('ZREM', LP, id) end
  local ending = {}
  local replaced = ARGV[12] ~= '' and redis.call('HGET', K, ARGV[12])
  if replaced and live(replaced, now) then ending[1] = { replaced, 'replaced' } else replaced = nil end
  local over = redis.call('ZCOUNT', LE, '(' .. ARGV[1], '+inf') - #ending + 1 - max
  if over > 0 then
    if ARGV[11] == 'deny' then return { 'full' } end
    for _, id in ipairs(redis.call('ZRANGE', LP, 0, -1)) do
      if over <= 0 then break end
      if id ~= replaced and live(id, now) then
        ending[#ending + 1] = { id, 'evicted' }
        over = over - 1
      end
    end
  end
  if #ending > 0 and ARGV[5] == '' then return { 'arm' } end
  local reply = { 'recorded' }
  for _, one in ipairs(ending) do reply[#reply + 1] = begin(one[1], get(one[1]), one[2], ARGV[4]) end
  redis.call('HSET', S, id, ARGV[8] .. place .. ARGV[9])
  redis.call('HSET', K, ARGV[7], id)
  redis.call('ZADD', LE, ARGV[3], id)
  redis.call('ZADD', LP, place, id)
  keep(tonumber(ARGV[13]))
  return reply
end
`

/** KEYS: of the index. ARGV: now, id, expiry, due, armed until or '', hashes, user as JSON. */
export const INDEX_SESSION = script(`${INDEXING}
return index_session(0, tonumber(ARGV[1]), { id = ARGV[2], expires = ARGV[3],
  due = ARGV[4], till = ARGV[5], hashes = ARGV[6], user = ARGV[7] })`)

/** KEYS: the six of `userKeys`. ARGV: those of recording, the place. */
export const RECORD = script(`${RECORDING}
return record(ARGV[14])`)

/** Both. KEYS: the six of `userKeys`, then of the index. ARGV: those of recording, hashes, user as JSON. */
export const INDEX_AND_RECORD = script(`${RECORDING}${INDEXING}
local place = index_session(6, tonumber(ARGV[1]), { id = ARGV[2], expires = ARGV[3],
  due = ARGV[4], till = ARGV[5], hashes = ARGV[14], user = ARGV[15] })
if place == '' then return { 'taken' } end
return record(place)`)
