import { z } from 'zod'
import { stateAfterUse } from '../counters.ts'
import type { Admitted, Guard, GuardQuestion, RateState, RateWindow } from '../records.ts'
import { COUNT } from './index-scripts.ts'
import { mintsKey, single, tagOf, userKeys } from './keys.ts'
import type { Commands } from './link.ts'
import { fromRow } from './rows.ts'
import { script } from './script.ts'

/** KEYS are the six of `userKeys`. → generation, end of the block or '', live sessions, row or ''. */
const GUARD = `
local function guard(now, secret)
  local user = redis.call('HMGET', KEYS[1], 'g', 'bu')
  local till = tonumber(user[2] or '0')
  local id = secret ~= '' and redis.call('HGET', KEYS[3], secret)
  return { user[1] or '0', till > tonumber(now) and string.format('%.0f', till) or '',
    tostring(redis.call('ZCOUNT', KEYS[4], '(' .. now, '+inf')),
    id and redis.call('HGET', KEYS[2], id) or '' }
end
`

/** ARGV: now, secret hash or ''. */
const READ_GUARD = script(`${GUARD}
return guard(ARGV[1], ARGV[2])`)

/** A seventh key: the counter. ARGV: now, secret hash or '', now in ms, length of the window in ms. */
const ADMIT = script(`${GUARD}${COUNT}
local reply = guard(ARGV[1], ARGV[2])
reply[5] = count(KEYS[7], tonumber(ARGV[3]), tonumber(ARGV[4]))
return reply`)

const digits = z.string().regex(/^\d+$/).transform(Number)
const digitsOrNone = z.union([z.literal('').transform(() => undefined), digits])
const pair = z.string().regex(/^\d+ \d+$/)
const guardReply = z.tuple([digits, digitsOrNone, digits, z.string()])
const admitReply = z.tuple([digits, digitsOrNone, digits, z.string(), pair])

/**
 * What a mint must know before it asks upstream.
 *
 * @param redis - commands of the call
 * @param question - whose guard
 */
export async function readGuard(redis: Commands, question: GuardQuestion): Promise<Guard> {
  const keys = Object.values(userKeys(tagOf(question.user)))
  const [reply, loggedOutAt] = await Promise.all([
    redis.run(READ_GUARD, keys, guardArgs(question)),
    latestMark(redis, question),
  ])
  return toGuard(guardReply.parse(reply), loggedOutAt)
}

/**
 * The same, and counts a mint of the user.
 *
 * @param redis - commands of the call
 * @param question - whose guard
 * @param limit - of the counter
 */
export async function admit(
  redis: Commands,
  question: GuardQuestion,
  limit: RateWindow,
): Promise<Admitted> {
  const tag = tagOf(question.user)
  const args = [...guardArgs(question), limit.nowMs, limit.seconds * 1000]
  const [reply, loggedOutAt] = await Promise.all([
    redis.run(ADMIT, [...Object.values(userKeys(tag)), mintsKey(tag)], args),
    latestMark(redis, question),
  ])
  const [generation, blockedUntil, live, row, counted] = admitReply.parse(reply)
  const guard = toGuard([generation, blockedUntil, live, row], loggedOutAt)
  return { rate: toRate(counted, limit, stateAfterUse), guard }
}

/**
 * How a counter stands.
 *
 * @param counted - its uses and the end of their window, as it is kept
 * @param limit - as asked
 * @param state - after this use, or without one
 * @throws `ZodError` when it is not what it should be
 */
export function toRate(
  counted: unknown,
  limit: RateWindow,
  state: typeof stateAfterUse,
): RateState {
  const [used = 0, endsMs = 0] = pair.parse(counted).split(' ').map(Number)
  return endsMs > limit.nowMs ? state(used, endsMs, limit) : state(0, limit.nowMs, limit)
}

function guardArgs({ now, currentSecretHash }: GuardQuestion): readonly (string | number)[] {
  return [now, currentSecretHash ?? '']
}

async function latestMark(
  redis: Commands,
  { identity, now }: GuardQuestion,
): Promise<number | undefined> {
  const marks = await Promise.all(
    (['subject', 'sid'] as const).map(async (kind) => {
      const value = identity[kind]
      if (value === undefined) return undefined
      const key = single.mark(identity.issuer, kind, value)
      return issuedBefore(await redis.send(key, 'GET', key), now)
    }),
  )
  const standing = marks.filter((at) => at !== undefined)
  return standing.length === 0 ? undefined : Math.max(...standing)
}

function issuedBefore(value: unknown, now: number): number | undefined {
  if (value === null) return undefined
  const [before = 0, keepUntil = 0] = pair.parse(value).split(' ').map(Number)
  return now < keepUntil ? before : undefined
}

function toGuard(
  [generation, blockedUntil, liveSessions, row]: z.output<typeof guardReply>,
  loggedOutAt: number | undefined,
): Guard {
  const current = row === '' ? undefined : fromRow(row).record
  return { generation, blockedUntil, loggedOutAt, liveSessions, current }
}
