// Runs scripts in Redis on one shared connection, each within a deadline.

import { ServiceError } from '../../../lib/errors.ts'
import { newId } from '../../../lib/ids.ts'
import type { Log } from '../../../lib/log.ts'
import { type Script, script } from '../keys.ts'
import { HASH_TAG, type RedisConnection } from './client.ts'
import { causeOf, createDiagnosis } from './diagnosis.ts'
import { createKeeper } from './keeper.ts'
import { createPatience } from './patience.ts'
import { createReplicated } from './replicated.ts'

/** Runs steps in Redis. Each throws `ServiceError` `store_unavailable`, whatever goes wrong. */
export type Link = ReturnType<typeof createLink>

type Args = readonly (string | number)[]

/** Milliseconds of silence after which Redis is down. With all other work, a refusal then comes within 300 ms. */
const CALL_MS = 250

/** Writes a key that nobody reads, to see whether writes work. */
const TOUCH = script(`redis.call('SET', key('health'), '1', 'EX', 60)`)

/**
 * Runs every command that scripts use. A script that meets one that this user or server lacks stops there, and what
 * it wrote before stays. The key `probe` is gone at the end; a probe that failed may have left it.
 *
 * ARGV: a name for the data, if it has none yet → the name that it has.
 */
const PROBE = script(`
local text, probe = key('health'), key('health', 'probe')
for _, command in ipairs({
  { 'SET', text, '1', 'EX', 60 }, { 'GET', text }, { 'MGET', text }, { 'EXISTS', text },
  { 'EXPIRE', text, 60 }, { 'TTL', text }, { 'DEL', probe }, { 'INCR', probe }, { 'DEL', probe },
  { 'HSET', probe, 'a', 1 }, { 'HGET', probe, 'a' }, { 'HMGET', probe, 'a' }, { 'HGETALL', probe },
  { 'HINCRBY', probe, 'a', 1 }, { 'HDEL', probe, 'a' },
  { 'SADD', probe, 'a' }, { 'SMEMBERS', probe }, { 'SREM', probe, 'a' },
  { 'ZADD', probe, 1, 'a' }, { 'ZCARD', probe }, { 'ZCOUNT', probe, 0, 1 }, { 'ZSCORE', probe, 'a' },
  { 'ZRANGE', probe, '[a', '-', 'BYLEX', 'REV', 'LIMIT', 0, 1 }, { 'ZRANGEBYSCORE', probe, 0, 1 },
  { 'ZREVRANGEBYSCORE', probe, 1, 0 }, { 'ZREM', probe, 'a' },
}) do redis.call(unpack(command)) end
redis.call('SET', key('data'), ARGV[1], 'NX')
return redis.call('GET', key('data'))`)

/**
 * @param address - host and port, for the log
 * @param replicas - how many must acknowledge a `runReplicated`; 0: the primary is enough
 * @param callMs - how long Redis may be silent while calls are under way, in milliseconds
 */
export function createLink({
  connect,
  address,
  replicas,
  log,
  callMs = CALL_MS,
}: {
  readonly connect: () => Promise<RedisConnection>
  readonly address: string
  readonly replicas: number
  readonly log: Log
  readonly callMs?: number | undefined
}) {
  const diagnosis = createDiagnosis({ address, replicas, log })
  const patience = createPatience(callMs)
  const touch = commandOf('EVAL', TOUCH.text, [])
  const replicated = createReplicated({ connect, touch, replicas, callMs })
  const keeper = createKeeper({
    async connect() {
      const opened = await connect()
      replicated.renew()
      return opened
    },
    check: probe,
    revokesWork: replicated.works,
    diagnosis,
  })

  function evaluate(connection: RedisConnection, { sha, text }: Script, args: Args) {
    return patience.within((isOver) =>
      connection.send(commandOf('EVALSHA', sha, args)).catch((error: unknown) => {
        // The caller has been refused once the time is over: the script must not run after that.
        if (isOver() || !causeOf(error).startsWith('NOSCRIPT')) throw error
        return connection.send(commandOf('EVAL', text, args))
      }),
    )
  }

  /** `WAIT` for no replica answers at once; a user who may not run it can revoke nothing. */
  async function probe(connection: RedisConnection): Promise<void> {
    diagnosis.found(await evaluate(connection, PROBE, [newId('')]))
    if (replicas > 0) await patience.within(() => connection.send(['WAIT', '0', '0']))
  }

  function connected(): RedisConnection {
    const connection = keeper.current()
    if (connection !== undefined) return connection
    throw new ServiceError('store_unavailable', { reason: 'not connected to Redis' })
  }

  async function use<T>(work: (connection: RedisConnection) => Promise<T>): Promise<T> {
    const connection = connected()
    try {
      return await work(connection)
    } catch (error) {
      keeper.failed(error)
      throw asServiceError(error)
    }
  }

  /**
   * Runs one script, and reads its reply.
   *
   * @param args - its ARGV; KEYS[1] is the hash tag
   * @param read - turns the reply into a record, and throws when it cannot
   */
  const run = <T>(script: Script, args: Args, read: (reply: unknown) => T): Promise<T> =>
    use(async (connection) => read(await evaluate(connection, script, args)))

  const runReplicated: typeof run = async (script, args, read) => {
    connected()
    try {
      return read(await replicated.send(commandOf('EVAL', script.text, args)))
    } catch (error) {
      diagnosis.saw(error)
      throw asServiceError(error)
    }
  }

  return {
    run,
    /**
     * The same for revokes, cancels and logouts. It answers when as many replicas have the write as
     * `STORE_URL` asks for. If too few have it in time, it throws; the write stays on the primary.
     */
    runReplicated: replicas === 0 ? run : runReplicated,
    /** Throws when a script may not write now, or when a command that steps need may not be run. */
    check: () => use(probe),
    /** Milliseconds that the oldest call under way has waited. */
    waitedMs: patience.waitedMs,
    close(): void {
      keeper.close()
      replicated.close()
    },
  }
}

function commandOf(name: 'EVAL' | 'EVALSHA', body: string, args: Args): string[] {
  return [name, body, '1', HASH_TAG, ...args.map(String)]
}

function asServiceError(error: unknown): ServiceError {
  return new ServiceError('store_unavailable', { reason: `Redis: ${causeOf(error)}`, cause: error })
}
