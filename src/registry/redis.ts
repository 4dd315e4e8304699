// The registry in Redis or Valkey, for any number of instances.

import type { Log } from '../lib/log.ts'
import type { Registry } from './port.ts'
import { createAuditSteps } from './redis/audit.ts'
import { createIntervalFigures } from './redis/interval-figures.ts'
import { script } from './redis/keys.ts'
import { createKnownUsers } from './redis/known-users.ts'
import { addressOf, createConnect, type RedisLocation } from './redis/link/client.ts'
import { createLink, type Link } from './redis/link/link.ts'
import { createLists } from './redis/lists.ts'
import { createOutbox } from './redis/outbox.ts'
import { createOwnership } from './redis/ownership.ts'
import { record } from './redis/record.ts'
import { createRetention } from './redis/retention.ts'
import { createRevokes } from './redis/revoke.ts'
import { createStanding } from './redis/standing.ts'
import { createUses } from './redis/uses.ts'
import { text } from './rows.ts'

/** ARGV: key, now, and perhaps until when to remember it from now on → 1 when it was remembered already. */
const REMEMBER = script(`
local once = key('once', ARGV[1])
if tonumber(redis.call('GET', once) or '0') > tonumber(ARGV[2]) then return 1 end
if ARGV[3] then redis.call('SET', once, ARGV[3], 'EX', ARGV[3] - ARGV[2] + 60) end
return 0`)

/** ARGV: name, and perhaps base64 to keep if nothing is kept yet → the base64 that is kept, or ''. */
const KEEP = script(`
local kept = key('kept-key', ARGV[1])
if ARGV[2] then redis.call('SET', kept, ARGV[2], 'NX') end
return redis.call('GET', kept) or ''`)

/**
 * The registry in Redis 7 or Valkey. It starts even if Redis is down: until Redis answers, every method throws
 * `store_unavailable`, except the counters, which count in memory.
 *
 * @param callMs - how long Redis may be silent while calls are under way, in milliseconds; 250 when absent
 */
export function createRedisRegistry({
  url,
  cluster,
  replicas,
  log,
  callMs,
}: RedisLocation & { readonly log: Log; readonly callMs?: number | undefined }): Registry {
  const connect = createConnect({ url, cluster })
  const link = createLink({ connect, address: addressOf(url), replicas, log, callMs })
  return {
    ...createStanding(link),
    record: (entry) => record(link, entry),
    ...createRevokes(link),
    ...createOutbox(link),
    ...createUses(link),
    ...createOwnership(link),
    ...createLists(link),
    ...createAuditSteps(link),
    ...createKnownUsers(link),
    ...createRetention(link),
    ...createIntervalFigures(link),
    ...createMemories(link),
    check: link.check,
    waitedMs: link.waitedMs,
    async close() {
      link.close()
    },
  }
}

function createMemories(link: Link) {
  return {
    remembers: (key, now) => link.run(REMEMBER, [key, now], (reply) => reply === 1),
    rememberOnce: (key, ttlSeconds, now) =>
      link.run(REMEMBER, [key, now, now + ttlSeconds], (reply) => reply === 0),
    async keptKey(name, make) {
      const keep = (...args: readonly string[]) =>
        link.run(KEEP, [name, ...args], (reply) => text.parse(reply))
      const kept = (await keep()) || (await keep(Buffer.from(make()).toString('base64')))
      return new Uint8Array(Buffer.from(kept, 'base64'))
    },
  } satisfies Partial<Registry>
}
