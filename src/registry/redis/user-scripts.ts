// Lua scripts on the keys of one user.
import { script } from './client.ts'

/**
 * The steps on one user. `KEYS` are the six of `userKeys`, in their order. A row is nine lines
 * (status, reason, expiry, end, place, secret hash, hashes of issuer, subject, sid; the last three
 * as identities are matched) and the session as JSON, which no script reads.
 */
export const PRELUDE = `
local U, S, K, LE, LP, O = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local PATTERN = '^(%l+)\\n([%l_]*)\\n(%d+)\\n(%d+)\\n(%d+)\\n(%x*)\\n([%w_-]*)\\n([%w_-]*)\\n([%w_-]*)\\n(.*)$'
local function parse(row)
  local r = {}
  r.status, r.reason, r.expires, r.ends, r.place, r.hash, r.iss, r.sub, r.sid, r.json =
    string.match(row, PATTERN)
  if not r.status then error('ERR a session row is not what it should be') end
  return r
end
local function get(id)
  local row = redis.call('HGET', S, id)
  return row and parse(row)
end
local function join(r)
  return table.concat({ r.status, r.reason, r.expires, r.ends, r.place, r.hash, r.iss, r.sub, r.sid, r.json }, '\\n')
end
local function put(id, r)
  local row = join(r)
  redis.call('HSET', S, id, row)
  return row
end
local function begin(id, r, reason, due)
  r.status, r.reason = 'cancelling', reason
  redis.call('ZREM', LE, id)
  redis.call('ZREM', LP, id)
  redis.call('ZADD', O, due, id)
  return put(id, r)
end
local function close(id, r, at)
  redis.call('ZREM', O, id)
  if not r or r.status ~= 'cancelling' then return end
  r.status = 'cancelled'
  if at < tonumber(r.ends) then r.ends = string.format('%.0f', at) end
  put(id, r)
end
local function forget(id, r)
  if r and redis.call('HGET', K, r.hash) == id then redis.call('HDEL', K, r.hash) end
  redis.call('HDEL', S, id)
  for _, key in ipairs({ LE, LP, O }) do redis.call('ZREM', key, id) end
end
local function live(id, now)
  local expires = redis.call('ZSCORE', LE, id)
  return expires and tonumber(expires) > now
end
local function keep(ttl)
  for at = 1, 6 do
    local key = KEYS[at]
    if redis.call('TTL', key) < ttl then redis.call('EXPIRE', key, ttl) end
  end
end
local function held(now)
  local till = tonumber(redis.call('HGET', U, 'bu') or '0')
  return till > now and till or nil
end
`

/**
 * now, reason, hashes of issuer, subject and sid or '', end of the block or '', its place, its JSON,
 * due, seconds to keep → end of the block that stands or '', its place or '', rows still to be confirmed.
 */
export const REVOKE = script(`${PRELUDE}
local now = tonumber(ARGV[1])
local function matches(r)
  return (ARGV[3] == '' or r.iss == ARGV[3]) and (ARGV[4] == '' or r.sub == ARGV[4])
    and (ARGV[5] == '' or r.sid == ARGV[5])
end
redis.call('HINCRBY', U, 'g', 1)
if ARGV[6] ~= '' and tonumber(ARGV[6]) > (held(now) or 0) then
  redis.call('HSET', U, 'bu', ARGV[6], 'bs', ARGV[7], 'bp', ARGV[8])
end
local till = held(now)
local reply = { till and string.format('%.0f', till) or '', till and redis.call('HGET', U, 'bs') or '' }
local function rows(ids, use)
  for from = 1, #ids, 500 do
    local upto = math.min(from + 499, #ids)
    for at, row in ipairs(redis.call('HMGET', S, unpack(ids, from, upto))) do
      local r = row and parse(row)
      if r and tonumber(r.expires) > now and matches(r) then use(ids[from + at - 1], row, r) end
    end
  end
end
rows(redis.call('ZRANGE', O, 0, -1), function(id, row) reply[#reply + 1] = row end)
local gone, dues, puts = {}, {}, {}
rows(redis.call('ZRANGEBYSCORE', LE, '(' .. ARGV[1], '+inf'), function(id, row, r)
  r.status, r.reason = 'cancelling', ARGV[2]
  local new = join(r)
  gone[#gone + 1], reply[#reply + 1] = id, new
  dues[#dues + 1], dues[#dues + 2] = ARGV[9], id
  puts[#puts + 1], puts[#puts + 2] = id, new
end)
local function many(command, key, list)
  for from = 1, #list, 500 do redis.call(command, key, unpack(list, from, math.min(from + 499, #list))) end
end
many('HSET', S, puts)
many('ZADD', O, dues)
many('ZREM', LE, gone)
many('ZREM', LP, gone)
keep(tonumber(ARGV[10]))
return reply`)

/** now, id, reason, due → row or ''. */
export const BEGIN_CANCEL = script(`${PRELUDE}
local row = redis.call('HGET', S, ARGV[2])
if not row then return '' end
local r = parse(row)
if r.status == 'active' and tonumber(r.expires) > tonumber(ARGV[1]) then
  row = begin(ARGV[2], r, ARGV[3], ARGV[4])
  redis.call('EXPIRE', O, redis.call('TTL', S))
end
return row`)

/** now, ids… → their rows, as far as there are any. */
export const CONFIRM = script(`${PRELUDE}
local reply = {}
for at = 2, #ARGV do
  close(ARGV[at], get(ARGV[at]), tonumber(ARGV[1]))
  reply[#reply + 1] = redis.call('HGET', S, ARGV[at]) or nil
end
return reply`)

/** now in ms, end of the lease, limit → when the next one is due or '', rows claimed. */
export const CLAIM = script(`${PRELUDE}
local now, limit = tonumber(ARGV[1]), tonumber(ARGV[3])
local reply = { '' }
for _, id in ipairs(redis.call('ZRANGEBYSCORE', O, '-inf', ARGV[1], 'LIMIT', 0, limit + 500)) do
  local row = redis.call('HGET', S, id)
  local r = row and parse(row)
  if not r or r.status ~= 'cancelling' then
    redis.call('ZREM', O, id)
  elseif tonumber(r.expires) * 1000 <= now then
    close(id, r, tonumber(r.expires))
  elseif #reply <= limit then
    redis.call('ZADD', O, ARGV[2], id)
    reply[#reply + 1] = row
  end
end
local first = redis.call('ZRANGE', O, 0, 0, 'WITHSCORES')
reply[1] = first[2] and string.format('%.0f', tonumber(first[2])) or ''
return reply`)

/** id, due → nothing. */
export const POSTPONE = script(`${PRELUDE}
if redis.call('ZSCORE', O, ARGV[1]) then redis.call('ZADD', O, ARGV[2], ARGV[1]) end
return ''`)

/** now, the generation it must still be or '' → '1' when a block stood or '', its place or ''. */
export const LIFT_BLOCK = script(`${PRELUDE}
if ARGV[2] ~= '' and (redis.call('HGET', U, 'g') or '0') ~= ARGV[2] then return { '', '' } end
local till = held(tonumber(ARGV[1]))
local place = redis.call('HGET', U, 'bs') or ''
redis.call('HDEL', U, 'bu', 'bs', 'bp')
return { till and '1' or '', place }`)

/** ended before, ids… → for each id '' when it is gone now, else when it ends. */
export const FORGET = script(`${PRELUDE}
local reply = {}
for at = 2, #ARGV do
  local r = get(ARGV[at])
  if r and tonumber(r.ends) >= tonumber(ARGV[1]) then
    reply[#reply + 1] = r.ends
  else
    forget(ARGV[at], r)
    reply[#reply + 1] = ''
  end
end
return reply`)

/** now, ids… → those that had ended, and are gone now. One without a row may be about to come. */
export const ERASE = script(`${PRELUDE}
local reply = {}
for at = 2, #ARGV do
  local r = get(ARGV[at])
  if r and (r.status == 'cancelled' or tonumber(r.expires) <= tonumber(ARGV[1])) then
    forget(ARGV[at], r)
    table.insert(reply, ARGV[at])
  end
end
return reply`)

/**
 * A seventh key: the counter of the session's running minute. now in ms, id, uses per window, length
 * of the window in ms → 'ok' and the row, 'limited' and the end of the window, or 'ended'.
 */
export const USE = script(`${PRELUDE}
local now, length = tonumber(ARGV[1]), tonumber(ARGV[4])
local row = redis.call('HGET', S, ARGV[2])
local r = row and parse(row)
if not r or r.status ~= 'active' or tonumber(r.expires) * 1000 <= now then return { 'ended', '' } end
local used, ends = string.match(redis.call('GET', KEYS[7]) or '', '^(%d+) (%d+)$')
local runs = ends and tonumber(ends) > now
if not runs then used, ends = 0, now + length end
if tonumber(used) >= tonumber(ARGV[3]) then return { 'limited', string.format('%.0f', ends) } end
local value = string.format('%.0f %.0f', used + 1, ends)
if runs then redis.call('SET', KEYS[7], value, 'KEEPTTL')
else redis.call('SET', KEYS[7], value, 'PX', length + 1000) end
return { 'ok', row }`)
