// Reads a user's standing; for a mint, counts it in the same round trip.
import { stateAfterUse } from '../counters.ts'
import type { Registry } from '../port.ts'
import type { RateState, RateWindow, StandingQuery, UserStanding } from '../records.ts'
import { type Script, script } from './client.ts'
import { COUNT } from './index-scripts.ts'
import { mintsKey, remembering, single, tagOf, userKeys } from './keys.ts'
import type { Commands } from './link.ts'
import { fromRow, texts } from './rows.ts'

/**
 * KEYS: the six of `userKeys`, the counter, marks. ARGV: now, secret hash or ''.
 * → generation, end of the block or '', live sessions, row or ''; marks or ''.
 */
const STANDING = `
local function standing(now, secret)
  local user = redis.call('HMGET', KEYS[1], 'g', 'bu')
  local till = tonumber(user[2] or '0')
  local id = secret ~= '' and redis.call('HGET', KEYS[3], secret)
  return { user[1] or '0', till > tonumber(now) and string.format('%.0f', till) or '',
    tostring(redis.call('ZCOUNT', KEYS[4], '(' .. now, '+inf')),
    id and redis.call('HGET', KEYS[2], id) or '' }
end
local function marks(reply)
  for at = 8, #KEYS do reply[#reply + 1] = redis.call('GET', KEYS[at]) or '' end
  return reply
end
`

const READ_STANDING = script(`${STANDING}
return marks(standing(ARGV[1], ARGV[2]))`)

/** ARGV, further: now in ms, length of the window in ms. → also, before the marks: 'uses end'. */
const BEGIN_MINT = script(`${STANDING}${COUNT}
local reply = standing(ARGV[1], ARGV[2])
reply[5] = count(KEYS[7], tonumber(ARGV[3]), tonumber(ARGV[4]))
return marks(reply)`)

/** The marks lie each in a slot of its own. */
const keysOf = remembering(
  (user: string, issuer: string, subject: string | undefined, sid: string | undefined) => {
    const tag = tagOf(user)
    const own = [...Object.values(userKeys(tag)), mintsKey(tag)]
    const marks = [
      ...(subject === undefined ? [] : [single.mark(issuer, 'subject', subject)]),
      ...(sid === undefined ? [] : [single.mark(issuer, 'sid', sid)]),
    ]
    return { own, marks, all: [...own, ...marks] }
  },
)

/**
 * What a mint must know before it asks upstream.
 *
 * @param redis - commands of the call
 * @param question - whose standing
 */
export async function readStanding(
  redis: Commands,
  question: StandingQuery,
): Promise<UserStanding> {
  const reply = await ask(redis, question, { script: READ_STANDING, args: standingArgs(question) })
  const [generation, till, live, row, ...marks] = texts.parse(reply)
  return toStanding([generation, till, live, row], latestOf(marks, question.now))
}

/**
 * The same, and counts a mint of the user.
 *
 * @param redis - commands of the call
 * @param question - whose standing
 * @param limit - of the counter
 */
export async function beginMint(
  redis: Commands,
  question: StandingQuery,
  limit: RateWindow,
): ReturnType<Registry['beginMint']> {
  const args = [...standingArgs(question), limit.nowMs, limit.seconds * 1000]
  const reply = await ask(redis, question, { script: BEGIN_MINT, args })
  const [generation, till, live, row, counted, ...marks] = texts.parse(reply)
  const standing = toStanding([generation, till, live, row], latestOf(marks, question.now))
  return { rate: toRate(counted, limit, stateAfterUse), standing }
}

/** Where a script cannot read the marks, commands of their own do. */
function ask(
  redis: Commands,
  { user, identity }: StandingQuery,
  { script, args }: { readonly script: Script; readonly args: readonly (string | number)[] },
): Promise<unknown> {
  const { own, marks, all } = keysOf(user, identity.issuer, identity.subject, identity.sid)
  return redis.acrossSlots
    ? redis.run(script, all, args)
    : withMarks(redis, marks, redis.run(script, own, args))
}

async function withMarks(
  redis: Commands,
  keys: readonly string[],
  asked: Promise<unknown>,
): Promise<unknown> {
  const [reply, ...marks] = await Promise.all([
    asked,
    ...keys.map((key) => redis.send(key, 'GET', key)),
  ])
  return [...texts.parse(reply), ...marks.map((mark) => mark ?? '')]
}

/**
 * How a counter stands.
 *
 * @param counted - its uses and the end of their window, as it is kept
 * @param limit - as asked
 * @param state - after this use, or without one
 * @throws `TypeError` when it is not what it should be
 */
export function toRate(
  counted: unknown,
  limit: RateWindow,
  state: typeof stateAfterUse,
): RateState {
  const [used, endsMs] = toPair(counted)
  return endsMs > limit.nowMs ? state(used, endsMs, limit) : state(0, limit.nowMs, limit)
}

function standingArgs({ now, currentSecretHash }: StandingQuery): readonly (string | number)[] {
  return [now, currentSecretHash ?? '']
}

function latestOf(marks: readonly string[], now: number): number | undefined {
  const standing = marks.map((mark) => issuedBefore(mark, now)).filter((at) => at !== undefined)
  return standing.length === 0 ? undefined : Math.max(...standing)
}

function issuedBefore(mark: string, now: number): number | undefined {
  if (mark === '') return undefined
  const [before, keepUntil] = toPair(mark)
  return now < keepUntil ? before : undefined
}

function toStanding(
  [generation, till, live, row]: readonly (string | undefined)[],
  loggedOutAt: number | undefined,
): UserStanding {
  return {
    generation: toCount(generation),
    blockedUntil: till === '' ? undefined : toCount(till),
    loggedOutAt,
    liveSessions: toCount(live),
    current: row === '' ? undefined : fromRow(row).record,
  }
}

function toCount(text: string | undefined): number {
  if (text === undefined || !/^\d+$/.test(text)) throw new TypeError('not a number in Redis')
  return Number(text)
}

function toPair(text: unknown): readonly [number, number] {
  const [, first, second] = /^(\d+) (\d+)$/.exec(String(text)) ?? []
  return [toCount(first), toCount(second)]
}
