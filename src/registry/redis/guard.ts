import { z } from 'zod'
import { stateAfterUse } from '../counters.ts'
import type { Admitted, Guard, GuardQuestion, RateState, RateWindow } from '../records.ts'
import { COUNT } from './index-scripts.ts'
import { mintsKey, remembering, single, tagOf, userKeys } from './keys.ts'
import type { Commands } from './link.ts'
import { fromRow, texts } from './rows.ts'
import { type Script, script } from './script.ts'

/**
 * KEYS: the six of `userKeys`, the counter, marks. ARGV: now, secret hash or ''.
 * → generation, end of the block or '', live sessions, row or ''; marks or ''.
 */
const GUARD = `
local function guard(now, secret)
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

const READ_GUARD = script(`${GUARD}
return marks(guard(ARGV[1], ARGV[2]))`)

/** ARGV, further: now in ms, length of the window in ms. → also, before the marks: 'uses end'. */
const ADMIT = script(`${GUARD}${COUNT}
local reply = guard(ARGV[1], ARGV[2])
reply[5] = count(KEYS[7], tonumber(ARGV[3]), tonumber(ARGV[4]))
return marks(reply)`)

const digits = z.string().regex(/^\d+$/).transform(Number)
const digitsOrNone = z.union([z.literal('').transform(() => undefined), digits])
const pair = z.string().regex(/^\d+ \d+$/)
const standing = [digits, digitsOrNone, digits, z.string()] as const
const mark = z.union([z.literal(''), pair])
const guardReply = z.tuple(standing).rest(mark)
const admitReply = z.tuple([...standing, pair]).rest(mark)

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
 * @param question - whose guard
 */
export async function readGuard(redis: Commands, question: GuardQuestion): Promise<Guard> {
  const reply = await ask(redis, question, { script: READ_GUARD, args: guardArgs(question) })
  const [generation, blockedUntil, live, row, ...marks] = guardReply.parse(reply)
  return toGuard({ generation, blockedUntil, live, row }, latestOf(marks, question.now))
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
  const args = [...guardArgs(question), limit.nowMs, limit.seconds * 1000]
  const reply = await ask(redis, question, { script: ADMIT, args })
  const [generation, blockedUntil, live, row, counted, ...marks] = admitReply.parse(reply)
  const guard = toGuard({ generation, blockedUntil, live, row }, latestOf(marks, question.now))
  return { rate: toRate(counted, limit, stateAfterUse), guard }
}

/** Where a script cannot read the marks, commands of their own do. */
async function ask(
  redis: Commands,
  { user, identity }: GuardQuestion,
  { script, args }: { readonly script: Script; readonly args: readonly (string | number)[] },
): Promise<unknown> {
  const { own, marks, all } = keysOf(user, identity.issuer, identity.subject, identity.sid)
  if (redis.acrossSlots) return redis.run(script, all, args)
  const [reply, ...values] = await Promise.all([
    redis.run(script, own, args),
    ...marks.map((key) => redis.send(key, 'GET', key)),
  ])
  return [...texts.parse(reply), ...values.map((value) => value ?? '')]
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

function latestOf(marks: readonly string[], now: number): number | undefined {
  const standing = marks.map((mark) => issuedBefore(mark, now)).filter((at) => at !== undefined)
  return standing.length === 0 ? undefined : Math.max(...standing)
}

function issuedBefore(mark: string, now: number): number | undefined {
  if (mark === '') return undefined
  const [before = 0, keepUntil = 0] = mark.split(' ').map(Number)
  return now < keepUntil ? before : undefined
}

function toGuard(
  kept: {
    readonly generation: number
    readonly blockedUntil: number | undefined
    readonly live: number
    readonly row: string
  },
  loggedOutAt: number | undefined,
): Guard {
  const { generation, blockedUntil, live, row } = kept
  const current = row === '' ? undefined : fromRow(row).record
  return { generation, blockedUntil, loggedOutAt, liveSessions: live, current }
}
