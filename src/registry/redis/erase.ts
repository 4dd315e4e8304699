// Removes all that Redis holds of one user.
import type { Registry } from '../port.ts'
import type { EraseOutcome, UserErase } from '../records.ts'
import { ERASE_AUDIT } from './index-scripts.ts'
import { audit, mintsKey, sessionIndex, tagOf, userKeys } from './keys.ts'
import type { Commands, Link } from './link.ts'
import { maybeTexts, texts, toAuditEntry } from './rows.ts'
import { unindex } from './sweep.ts'
import { ERASE } from './user-scripts.ts'
import { locate } from './where.ts'

/** How much of a list one call looks at. */
const CHUNK = 200

/**
 * Forgets users. Rows go before the indexes that lead to them, so that a step that breaks off leaves
 * only what readers pass over and the sweep removes. The set of a subject's users keeps its member
 * for a day after the last session: it may name too many, never too few.
 *
 * @param link - to Redis
 */
export function createErase(link: Link): Pick<Registry, 'eraseUser'> {
  return { eraseUser: (command) => eraseUser(link, command) }
}

async function eraseUser(link: Link, command: UserErase): Promise<EraseOutcome> {
  const tag = tagOf(command.user)
  await link.call((redis) => redis.send(mintsKey(tag), 'DEL', mintsKey(tag)))
  const sessions = sessionIndex('user', tag)
  let erased = 0
  for (const [key, erase] of [
    [sessions, eraseSessions],
    [audit.ofUser(command.user), eraseEntries],
  ] as const) {
    for (let after = 0, ended = false; !ended && erased < command.limit; ) {
      const limit = Math.min(CHUNK, command.limit - erased)
      await link.call(async (redis) => {
        const { members, lastPlace } = await readAfter(redis, key, { after, limit })
        erased += members.length === 0 ? 0 : await erase(redis, command, members)
        ended = members.length < limit
        after = lastPlace
      })
    }
  }
  return { erased, more: erased >= command.limit }
}

/** Oldest first; what stays is passed over. */
async function readAfter(
  redis: Commands,
  key: string,
  { after, limit }: { readonly after: number; readonly limit: number },
) {
  const range = [`(${after}`, '+inf', 'WITHSCORES', 'LIMIT', '0', String(limit)]
  const reply = texts.parse(await redis.send(key, 'ZRANGEBYSCORE', key, ...range))
  return {
    members: reply.filter((_, at) => at % 2 === 0),
    lastPlace: reply.length === 0 ? after : Number(reply.at(-1)),
  }
}

async function eraseSessions(
  redis: Commands,
  { user, now }: UserErase,
  ids: readonly string[],
): Promise<number> {
  const located = await locate(redis, ids)
  const reply = await redis.run(ERASE, Object.values(userKeys(tagOf(user))), [now, ...ids])
  const gone = new Set(texts.parse(reply))
  const named = ids.map((id, at) => ({ id, located: located[at] }))
  await unindex(
    redis,
    named.filter(({ id }) => gone.has(id)),
  )
  return gone.size
}

async function eraseEntries(
  redis: Commands,
  { user, keptAction }: UserErase,
  ids: readonly string[],
): Promise<number> {
  const reply = await redis.send(audit.entries, 'HMGET', audit.entries, ...ids)
  const gone = maybeTexts
    .parse(reply)
    .flatMap((json) => (json === null ? [] : [toAuditEntry(json)]))
    .filter((entry) => entry.user === user && entry.action !== keptAction)
  if (gone.length === 0) return 0
  const keys = [audit.ofUser(user), audit.entries, audit.byPlace, audit.byTime]
  const actions = gone.map(({ action }) => audit.ofAction(action))
  const args = gone.map(({ id }) => id)
  await redis.run(ERASE_AUDIT, [...keys, ...actions], args)
  return gone.length
}
