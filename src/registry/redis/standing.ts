// Reads a user's standing and counts uses of rate limits in Redis; for a mint both in one script.

import { createCounters } from '../counters.ts'
import type { Registry } from '../port.ts'
import type { Count, RateWindow, StandingQuery } from '../records.ts'
import { COUNT, MARKS, script, USER } from './keys.ts'
import type { Link } from './link/link.ts'
import { sessionOrNone, texts } from './replies.ts'

/**
 * ARGV: now, user, issuer, subject or '', `sid` or '', now and the length of the window in ms to count a mint or '',
 * the number of live sessions from which each is looked up or '' to count none, then the hash of the current secret if
 * there is one.
 * → generation, end of the block, live sessions, latest logout and 'uses end' as one text, in which what is not known is
 * empty, then the current session.
 */
const READ_STANDING = script(
  USER,
  COUNT,
  MARKS,
  `
local user, issuer, subject, sid, now_ms, length, exact_from, secret_hash = unpack(ARGV, 2)
local now = tonumber(ARGV[1])
local mints, live = key('mints', user), key('live', user)
local uses, of_subject, of_sid = unpack(redis.call('MGET', mints,
  key('logout-subject', issuer .. '\\n' .. subject), key('logout-sid', issuer .. '\\n' .. sid)))

local latest = logged_out_at({ of_subject, of_sid }, now)
local generation, blocked_until = state_of(user, now)
local count_live = exact_from == '' and '' or redis.call('ZCOUNT', live, '(' .. ARGV[1], '+inf')
if exact_from ~= '' and count_live >= tonumber(exact_from) then
  count_live = 0
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', live, '(' .. ARGV[1], '+inf')) do
    count_live = count_live + redis.call('EXISTS', key('session', id))
  end
end
local counted = length ~= '' and count(mints, uses, tonumber(now_ms), tonumber(length)) or '0 0'
local standing = table.concat({ generation, blocked_until or '', count_live, latest or '', counted }, ' ')
if not secret_hash then return { standing } end
local current = redis.call('HGET', key('secrets', user), secret_hash)
return { standing, unpack(current and redis.call('HGETALL', key('session', current)) or {}) }`,
)

/** ARGV: key, now in ms, length of the window in ms → 'uses end'. */
const CONSUME = script(
  COUNT,
  `
local counter = key('counter', ARGV[1])
return count(counter, redis.call('GET', counter), tonumber(ARGV[2]), tonumber(ARGV[3]))`,
)

const COUNTED = /^(\d+) (\d+)$/
const FIGURES = /^(\d+) (\d*) (\d*) (\d*) (\d+) (\d+)$/

/** Not by zod, which takes many times as many instructions. */
function numbersIn(form: RegExp, reply: unknown): readonly (number | undefined)[] {
  const found = typeof reply === 'string' && form.exec(reply)
  if (!found) throw new TypeError(`not a reply in the form ${form}`)
  return found.slice(1).map((digits) => (digits === '' ? undefined : Number(digits)))
}

function readReply(reply: unknown) {
  const [text, ...fields] = texts.parse(reply)
  const figures = numbersIn(FIGURES, text)
  const [generation = 0, blockedUntil, liveSessions, loggedOutAt, ...uses] = figures
  const current = fields.length === 0 ? undefined : sessionOrNone.parse(fields)
  const standing = { generation, blockedUntil, liveSessions, loggedOutAt, current }
  return { standing, uses }
}

/** While Redis is away, counters run in memory: they limit, and say nothing about blocks. */
export function createStanding(link: Link) {
  const countInMemory = createCounters()
  return {
    readStanding: (question) =>
      link.run(
        READ_STANDING,
        standingArgs(question, ['', '']),
        (reply) => readReply(reply).standing,
      ),
    async beginMint(question, window) {
      const counted = [window.nowMs, window.seconds * 1000]
      try {
        return await link.run(READ_STANDING, standingArgs(question, counted), (reply) => {
          const { standing, uses } = readReply(reply)
          return { rate: toCount(uses, window), standing }
        })
      } catch {
        return { rate: countInMemory(`mints:${question.user}`, window), standing: undefined }
      }
    },
    async consume(key, window) {
      try {
        const args = [key, window.nowMs, window.seconds * 1000]
        return await link.run(CONSUME, args, (reply) => toCount(numbersIn(COUNTED, reply), window))
      } catch {
        return countInMemory(key, window)
      }
    },
  } satisfies Partial<Registry>
}

function standingArgs(
  { user, identity, currentSecretHash, exactFrom, now }: StandingQuery,
  counted: readonly (string | number)[],
) {
  const { issuer, subject = '', sid = '' } = identity
  const current = currentSecretHash === undefined ? [] : [currentSecretHash]
  return [now, user, issuer, subject, sid, ...counted, exactFrom ?? '', ...current]
}

function toCount(
  [used = 0, endsMs = 0]: ReturnType<typeof numbersIn>,
  { nowMs }: RateWindow,
): Count {
  return { used, resetMs: endsMs - nowMs }
}
