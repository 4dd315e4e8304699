// The registry in Redis or Valkey, for any number of instances.
import { z } from 'zod'
import type { Log } from '../lib/log.ts'
import type { Registry } from './port.ts'
import type { LogoutMark } from './records.ts'
import { createConnection, type RedisLocation } from './redis/client.ts'
import { createCounting } from './redis/counting.ts'
import { createErase } from './redis/erase.ts'
import { MARK, REMEMBER } from './redis/index-scripts.ts'
import { index, single } from './redis/keys.ts'
import { type Commands, createLink, type Link } from './redis/link.ts'
import { createLists } from './redis/lists.ts'
import { createOutbox } from './redis/outbox.ts'
import { createOwnership } from './redis/ownership.ts'
import { record } from './redis/record.ts'
import { createSessionSteps } from './redis/sessions.ts'
import { readFigures, sweepRedis } from './redis/sweep.ts'
import { createUses } from './redis/uses.ts'

const DAY_SECONDS = 86_400

/**
 * The registry in Redis 7 or Valkey, for any number of instances. Starts though Redis is down: until
 * it comes, every method answers `store_unavailable`.
 *
 * @param callMs - how long one call may take, in milliseconds; 250 when absent
 */
export function createRedisRegistry({
  url,
  cluster,
  log,
  callMs,
}: RedisLocation & { readonly log: Log; readonly callMs?: number | undefined }): Registry {
  const link = createLink({
    connect: (onError) => createConnection({ url, cluster }, onError),
    log,
    callMs,
    onReady: (redis) => inspect(redis, log),
  })
  return {
    ...createSessionSteps(link),
    record: (entry) => record(link, entry),
    ...createOutbox(link),
    ...createUses(link),
    ...createOwnership(link),
    ...createLists(link),
    ...createErase(link),
    ...createCounting(link),
    ...createMemories(link),
    sweep: (retention) => sweepRedis(link, retention),
    figures: (now) => readFigures(link, now),
    async check() {
      await link.call((redis) => redis.send(index.health, 'SET', index.health, '1', 'EX', '60'))
    },
    async close() {
      link.close()
    },
  }
}

function createMemories(
  link: Link,
): Pick<Registry, 'markLogout' | 'remembers' | 'rememberOnce' | 'keptKey'> {
  return {
    markLogout: (mark) => link.call((redis) => markLogout(redis, mark)),
    async remembers(key, now) {
      const name = single.once(key)
      const until = await link.call((redis) => redis.send(name, 'GET', name))
      return until !== null && Number(until) > now
    },
    async rememberOnce(key, ttlSeconds, now) {
      const args = [now, now + ttlSeconds]
      return (await link.call((redis) => redis.run(REMEMBER, [single.once(key)], args))) === '1'
    },
    keptKey: (name, make) =>
      link.call(async (redis) => {
        const key = single.kept(name)
        const known = await redis.send(key, 'GET', key)
        if (known === null) {
          const made = Buffer.from(make()).toString('base64')
          await redis.send(key, 'SET', key, made, 'NX')
        }
        const kept = z.string().parse(known ?? (await redis.send(key, 'GET', key)))
        return new Uint8Array(Buffer.from(kept, 'base64'))
      }),
  }
}

async function markLogout(redis: Commands, mark: LogoutMark): Promise<void> {
  const kept = Math.max(0, mark.keepUntil - mark.issuedBefore) + DAY_SECONDS
  const kinds = (['subject', 'sid'] as const).map(async (kind) => {
    const value = mark[kind]
    if (value === undefined) return
    const key = single.mark(mark.issuer, kind, value)
    await redis.run(MARK, [key], [mark.issuedBefore, mark.keepUntil, kept])
  })
  await Promise.all(kinds)
}

/**
 * What kind of Redis this is. Blocks and generations that Redis forgets let revoked users in again.
 */
async function inspect(redis: Commands, log: Log): Promise<{ readonly acrossSlots: boolean }> {
  try {
    const info = String(await redis.send(index.health, 'INFO'))
    if (/^aof_enabled:0/m.test(info)) {
      log.warn(
        'redis has no append-only file: after a crash of Redis, revoked users may mint again',
      )
    }
    const policy = /^maxmemory_policy:(\S+)/m.exec(info)?.[1] ?? 'noeviction'
    if (policy !== 'noeviction') {
      log.warn({ policy }, 'redis may evict keys: blocks and sessions can be lost')
    }
    return { acrossSlots: /^cluster_enabled:0/m.test(info) }
  } catch (error) {
    log.info({ err: error }, 'redis does not say how durable it is')
    return { acrossSlots: false }
  }
}
