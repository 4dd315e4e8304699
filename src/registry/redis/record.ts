// Records a new session, and ends the sessions that it replaces or evicts.
import { z } from 'zod'
import { ServiceError } from '../../lib/errors.ts'
import type { NewEntry, RecordOutcome } from '../records.ts'
import { script } from './client.ts'
import { ARM } from './index-scripts.ts'
import { hashOf, index, remembering, sessionIndex, tagOf, userKeys, usersOfKey } from './keys.ts'
import type { Commands, Link } from './link.ts'
import { fromRow, identityHashes, texts, toRow } from './rows.ts'
import { ARMED_MS, dueAt, keptFor, noteEnded } from './sessions.ts'
import { PRELUDE } from './user-scripts.ts'

const place = z.string().regex(/^\d*$/)

/** What a session is found by, as its user, workflow, issuer, subject and `sid` make it. */
const wayTo = remembering(
  (user: string, workflow: string, issuer: string, subject: string, sid: string | undefined) => {
    const hashes = identityHashes({ issuer, subject, sid })
    const tag = tagOf(user)
    const of = [tag, hashOf(workflow), hashes.issuer, hashOf(subject), hashes.pair]
    const fields = ['user', 'workflow', 'issuer', 'subject', 'pair'] as const
    const indexKeys = [
      ...[index.due, index.armed, index.place, index.sessions, index.ends],
      ...[sessionIndex('all'), ...fields.map((field, at) => sessionIndex(field, of[at]))],
      usersOfKey('subject', hashes.pair),
      ...(hashes.sid === '' ? [] : [usersOfKey('sid', hashes.sid)]),
    ]
    const ownKeys = Object.values(userKeys(tag))
    const known = [of.join(' '), JSON.stringify(user)]
    return { hashes, ownKeys, indexKeys, allKeys: [...ownKeys, ...indexKeys], known }
  },
)

/**
 * Puts a session on the books.
 *
 * @param link - to Redis
 * @param entry - the session
 */
export async function record(link: Link, entry: NewEntry): Promise<RecordOutcome> {
  const [kind, ...rows] = await link.call(async (redis) => {
    const first = await recordOnce(redis, entry, entry.replaces !== undefined)
    return first[0] === 'arm' ? recordOnce(redis, entry, true) : first
  })
  if (kind === 'blocked' || kind === 'full') return { kind }
  if (kind === 'taken') {
    throw new ServiceError('internal_error', { reason: 'session id is taken by another session' })
  }
  if (kind !== 'recorded') throw new TypeError('no answer of ours to a record')
  const ended = rows.map(fromRow)
  await noteEnded(link, ended)
  return { kind, ended: ended.map((one) => one.record) }
}

/**
 * Where one command can, it does both steps.
 *
 * @param armed - whether the due list is told first, because the step will end other sessions
 */
async function recordOnce(
  redis: Commands,
  entry: NewEntry,
  armed: boolean,
): Promise<readonly string[]> {
  const { session, now, cap } = entry
  const { user, workflow, issuer, subject, sid } = session
  const { hashes, ownKeys, indexKeys, allKeys, known } = wayTo(user, workflow, issuer, subject, sid)
  const due = dueAt(now)
  const which = [now, session.id, session.expiresAt, due, armed ? due + ARMED_MS : '']
  const what = [
    ...which,
    ...[entry.generation, session.secretHash, ...toRow(session, hashes)],
    ...[cap.max, cap.whenFull, entry.replaces ?? '', keptFor(session.expiresAt, now)],
  ]
  if (redis.acrossSlots) {
    return texts.parse(await redis.run(INDEX_AND_RECORD, allKeys, [...what, ...known]))
  }
  const found = place.parse(await redis.run(INDEX_SESSION, indexKeys, [...which, ...known]))
  if (found === '') return ['taken']
  return texts.parse(await redis.run(RECORD, ownKeys, [...what, found]))
}

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
const INDEX_SESSION = script(`${INDEXING}
return index_session(0, tonumber(ARGV[1]), { id = ARGV[2], expires = ARGV[3],
  due = ARGV[4], till = ARGV[5], hashes = ARGV[6], user = ARGV[7] })`)

/** KEYS: the six of `userKeys`. ARGV: those of recording, the place. */
const RECORD = script(`${RECORDING}
return record(ARGV[14])`)

/** Both. KEYS: the six of `userKeys`, then of the index. ARGV: those of recording, hashes, user as JSON. */
const INDEX_AND_RECORD = script(`${RECORDING}${INDEXING}
local place = index_session(6, tonumber(ARGV[1]), { id = ARGV[2], expires = ARGV[3],
  due = ARGV[4], till = ARGV[5], hashes = ARGV[14], user = ARGV[15] })
if place == '' then return { 'taken' } end
return record(place)`)
