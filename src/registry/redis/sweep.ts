// Deletes what ended longer ago than the retention allows.
import type { Registry } from '../port.ts'
import type { Retention } from '../records.ts'
import { DROP_BLOCKS } from './index-scripts.ts'
import { audit, index, sessionIndex, userKeys } from './keys.ts'
import type { Commands, Link } from './link.ts'
import { maybeTexts, texts, toAuditEntry } from './rows.ts'
import { FORGET } from './user-scripts.ts'
import { type Located, locate } from './where.ts'

const BATCH = 100
/** Enough for a figure; each costs a command. */
const COUNTED_USERS = 1_000

/**
 * Drops what has ended, batch by batch. Marks, counters and memories leave by themselves.
 *
 * @param link - to Redis
 * @param retention - how long what has ended is kept
 */
export async function sweepRedis(link: Link, retention: Retention): Promise<void> {
  const { sessionsEndedBefore, auditBefore, now } = retention
  const steps = [
    (redis: Commands) => sweepSessions(redis, sessionsEndedBefore),
    (redis: Commands) => sweepBlocks(redis, now),
    (redis: Commands) => sweepAudit(redis, auditBefore),
  ]
  for (const step of steps) {
    while ((await link.call(step)) === BATCH);
  }
}

async function oldest(redis: Commands, key: string, below: string): Promise<readonly string[]> {
  const range = [key, '-inf', below, 'LIMIT', '0', String(BATCH)]
  return texts.parse(await redis.send(key, 'ZRANGEBYSCORE', ...range))
}

/** The rows go first and the index last: a sweep that breaks off finds them again. */
async function sweepSessions(redis: Commands, endedBefore: number): Promise<number> {
  const ids = await oldest(redis, index.ends, `(${endedBefore}`)
  const located = await locate(redis, ids)
  const byTag = Map.groupBy(
    ids.map((id, at) => ({ id, located: located[at] })),
    (one) => one.located?.tag,
  )
  const later: string[] = []
  const gone: { id: string; located: Located | undefined }[] = []
  await Promise.all(
    [...byTag].map(async ([tag, own]) => {
      if (tag === undefined) {
        gone.push(...own)
        return
      }
      const args = [endedBefore, ...own.map((one) => one.id)]
      const ends = texts.parse(await redis.run(FORGET, Object.values(userKeys(tag)), args))
      for (const [at, one] of own.entries()) {
        const end = ends[at] ?? ''
        if (end === '') gone.push(one)
        else later.push(end, one.id)
      }
    }),
  )
  if (later.length > 0) await redis.send(index.ends, 'ZADD', index.ends, ...later)
  await unindex(redis, gone)
  return ids.length
}

/**
 * Takes sessions that are gone off the global indexes.
 *
 * @param redis - commands of the call
 * @param gone - what the index knew of each
 */
export async function unindex(
  redis: Commands,
  gone: readonly { readonly id: string; readonly located: Located | undefined }[],
): Promise<void> {
  if (gone.length === 0) return
  const fields = ['user', 'workflow', 'issuer', 'subject', 'pair'] as const
  const byKey = new Map<string, string[]>()
  for (const { id, located } of gone) {
    const own = (located?.hashes ?? []).map((hash, at) => sessionIndex(fields[at] ?? 'all', hash))
    for (const key of [sessionIndex('all'), index.ended, ...own]) {
      const ids = byKey.get(key) ?? []
      ids.push(id)
      byKey.set(key, ids)
    }
  }
  await Promise.all([...byKey].map(([key, ids]) => redis.send(key, 'ZREM', key, ...ids)))
  const ids = gone.map((one) => one.id)
  await redis.send(index.sessions, 'HDEL', index.sessions, ...ids)
  await redis.send(index.ends, 'ZREM', index.ends, ...ids)
}

async function sweepBlocks(redis: Commands, now: number): Promise<number> {
  const tags = await oldest(redis, index.blockEnds, String(now))
  if (tags.length > 0) await redis.run(DROP_BLOCKS, [index.blocks, index.blockEnds], [now, ...tags])
  return tags.length
}

async function sweepAudit(redis: Commands, before: number): Promise<number> {
  const ids = await oldest(redis, audit.byTime, `(${before}`)
  if (ids.length === 0) return 0
  const jsons = maybeTexts.parse(await redis.send(audit.entries, 'HMGET', audit.entries, ...ids))
  for (const json of jsons) {
    if (json === null) continue
    const { id, user, action } = toAuditEntry(json)
    for (const key of [audit.ofUser(user ?? ''), audit.ofAction(action)]) {
      await redis.send(key, 'ZREM', key, id)
    }
  }
  await redis.send(audit.byPlace, 'ZREM', audit.byPlace, ...ids)
  await redis.send(audit.entries, 'HDEL', audit.entries, ...ids)
  await redis.send(audit.byTime, 'ZREM', audit.byTime, ...ids)
  return ids.length
}

/**
 * Live sessions and waiting cancels; a session being cancelled counts as live until confirmed.
 *
 * @param link - to Redis
 * @param now - Unix seconds
 */
export async function readFigures(link: Link, now: number): ReturnType<Registry['figures']> {
  return link.call(async (redis) => {
    const live = await redis.send(index.ends, 'ZCOUNT', index.ends, `(${now}`, '+inf')
    const range = [index.due, '0', String(COUNTED_USERS - 1)]
    const tags = texts.parse(await redis.send(index.due, 'ZRANGE', ...range))
    const waiting = await Promise.all(
      tags.map(async (tag) => {
        const { outbox } = userKeys(tag)
        return Number(await redis.send(outbox, 'ZCARD', outbox))
      }),
    )
    const outboxLength = waiting.reduce((sum, each) => sum + each, 0)
    return { activeSessions: Math.max(0, Number(live) - outboxLength), outboxLength }
  })
}
