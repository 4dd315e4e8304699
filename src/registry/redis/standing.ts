// Reads a user's standing and counts uses of rate limits in Redis; for a mint both in one script.

import { z } from 'zod'
import { createCounters } from '../counters.ts'
import type { Registry } from '../port.ts'
import type { Count, RateWindow, StandingQuery, UserStanding } from '../records.ts'
import { COUNT, script, USER } from './keys.ts'
import type { Link } from './link/link.ts'
import { sessionOrNone, texts } from './replies.ts'

/**
 * ARGV: now, user, secret hash or '', issuer, subject or '', `sid` or '', the number of live sessions from which each
 * is looked up or ''; to count a mint also now and the length of the window, in ms.
 * → generation, end of the block or -1, live sessions, latest logout or -1 and 'uses end' as one text, then the current
 * session.
 */
const READ_STANDING = script(
  USER,
  COUNT,
  `
local now, user, secret_hash, issuer, exact_from = tonumber(ARGV[1]), ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[7])
local mints, live = key('mints', user), key('live', user)
local uses, of_subject, of_sid = unpack(redis.call('MGET', mints,
  key('logout-subject', issuer .. '\\n' .. ARGV[5]), key('logout-sid', issuer .. '\\n' .. ARGV[6])))

-- The later of two marks; a mark is 'issued before, keep until'.
local latest = -1
for _, mark in pairs({ of_subject, of_sid }) do
  local before, till = string.match(mark or '', '^(%d+) (%d+)$')
  if till and tonumber(till) > now then latest = math.max(latest, tonumber(before)) end
end

local generation, blocked_until = state_of(user, now)
local count_live = redis.call('ZCOUNT', live, '(' .. ARGV[1], '+inf')
if exact_from and count_live >= exact_from then
  count_live = 0
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', live, '(' .. ARGV[1], '+inf')) do
    count_live = count_live + redis.call('EXISTS', key('session', id))
  end
end
local counted = ARGV[8] and count(mints, uses, tonumber(ARGV[8]), tonumber(ARGV[9])) or '0 0'
local standing = string.format('%s %d %d %d %s', generation, blocked_until or -1, count_live, latest, counted)
local current = secret_hash ~= '' and redis.call('HGET', key('secrets', user), secret_hash)
if not current then return { standing } end
return { standing, unpack(redis.call('HGETALL', key('session', current))) }`,
)

/** ARGV: key, now in ms, length of the window in ms → 'uses end'. */
const CONSUME = script(
  COUNT,
  `
local counter = key('counter', ARGV[1])
return count(counter, redis.call('GET', counter), tonumber(ARGV[2]), tonumber(ARGV[3]))`,
)

const numbersIn = (form: RegExp) =>
  z
    .string()
    .regex(form)
    .transform((text) => text.split(' ').map(Number))
const counted = numbersIn(/^\d+ \d+$/)
const figures = numbersIn(/^\d+ (?:\d+|-1) \d+ (?:\d+|-1) \d+ \d+$/)

/** Not a tuple of zod's, which takes ten times as many instructions for a reply. */
function readReply(reply: unknown) {
  const [text, ...fields] = texts.parse(reply)
  const [generation = 0, blocked = -1, liveSessions = 0, logout = -1, ...uses] = figures.parse(text)
  const standing: UserStanding = {
    generation,
    blockedUntil: blocked < 0 ? undefined : blocked,
    liveSessions,
    current: fields.length === 0 ? undefined : sessionOrNone.parse(fields),
    loggedOutAt: logout < 0 ? undefined : logout,
  }
  return { standing, uses }
}

/** While Redis is away, counters run in memory: they limit, and say nothing about blocks. */
export function createStanding(link: Link) {
  const countInMemory = createCounters()
  return {
    readStanding: (question) =>
      link.run(READ_STANDING, standingArgs(question), (reply) => readReply(reply).standing),
    async beginMint(question, limit) {
      const args = [...standingArgs(question), limit.nowMs, limit.seconds * 1000]
      try {
        return await link.run(READ_STANDING, args, (reply) => {
          const { standing, uses } = readReply(reply)
          return { rate: toCount(uses, limit), standing }
        })
      } catch {
        return { rate: countInMemory(`mints:${question.user}`, limit), standing: undefined }
      }
    },
    async consume(key, limit) {
      try {
        const args = [key, limit.nowMs, limit.seconds * 1000]
        return await link.run(CONSUME, args, (reply) => toCount(counted.parse(reply), limit))
      } catch {
        return countInMemory(key, limit)
      }
    },
  } satisfies Partial<Registry>
}

function standingArgs({ user, identity, currentSecretHash, exactFrom, now }: StandingQuery) {
  const { issuer, subject, sid } = identity
  return [now, user, currentSecretHash ?? '', issuer, subject ?? '', sid ?? '', exactFrom ?? '']
}

function toCount([used = 0, endsMs = 0]: readonly number[], { nowMs }: RateWindow): Count {
  return { used, resetMs: endsMs - nowMs }
}
