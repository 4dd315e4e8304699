// Logs what is wrong with Redis, once for each kind of cause, and how durable Redis is.

import type { LogFields } from '../../../lib/log/fields.ts'
import type { Log } from '../../../lib/log.ts'
import { count } from '../../../lib/printable.ts'
import type { RedisConnection } from './client.ts'

/** Milliseconds in which each kind of cause is logged once, even if causes alternate. */
const SAY_AGAIN_MS = 30_000
/**
 * Milliseconds without a failure before Redis counts as working again. A check that succeeds is not enough:
 * another script may still fail.
 */
const QUIET_MS = 2_000
/** Instances whose clocks differ disagree for that long about which sessions are live. */
const MOST_CLOCK_SECONDS = 2

const ENDS = 'it ends the connection; where it always does, its port is for TLS and needs rediss://'

/** The first pattern that matches names the kind. An error that matches none is a fault of one call, not of Redis. */
const KINDS: readonly (readonly [RegExp, string])[] = [
  [/ECONNREFUSED/, 'nothing listens at this address'],
  [/ENOTFOUND|EAI_AGAIN/, 'its name is unknown'],
  [
    /SELF_SIGNED|UNABLE_TO_(?:GET|VERIFY)/,
    'its certificate is by an unknown authority; name that in NODE_EXTRA_CA_CERTS',
  ],
  [/ERR_TLS_CERT_ALTNAME/, 'its certificate is for another name'],
  [/CERT_(?:HAS_EXPIRED|NOT_YET_VALID)/, 'its certificate is not valid now'],
  [
    /CERTIFICATE_REQUIRED|HANDSHAKE_FAILURE|PROTOCOL_VERSION/,
    'it refuses the TLS handshake: it wants a client certificate, which it does not get (set tls-auth-clients no there), or has no TLS version or cipher in common',
  ],
  [/WRONGPASS|AUTH .*without any password/, 'wrong user or password'],
  [/NOAUTH/, 'it wants a password'],
  [/DB index|SELECT is not allowed/, 'wrong database'],
  [/READONLY|MASTERDOWN|replica instances/, 'a read-only replica'],
  [
    // In scripts Redis 7.0 words it the second way, later versions and Valkey the third.
    /NOPERM|user executing the script|ACL failure in script/,
    'this user may not run a command or touch a key; deploy.md has the ACL',
  ],
  [/cluster support disabled|unknown command .?CLUSTER/i, 'no cluster; leave out ?cluster=true'],
  [
    /unknown command .?EVAL/i,
    'it lacks a command that runs scripts; a Sentinel has none: lead the address to the primary',
  ],
  [/unknown (?:Redis )?command/i, 'it lacks a command that scripts need'],
  [/OOM/, 'out of memory'],
  [/MISCONF/, 'it cannot write to its disk'],
  [/NOREPLICAS/, 'it has too few replicas to take writes'],
  [/replicas have it/, 'too few replicas have a revoke in time; revokes are refused until they do'],
  [/LOADING/, 'it is still loading its data'],
  [/BUSY/, 'a script holds it up'],
  [/CLUSTERDOWN|TRYAGAIN|ASK /, 'the cluster does not serve the slot of our keys'],
  [/MOVED/, 'another node has our keys; with ?cluster=true it is found by itself'],
  [/max number of clients/, 'it takes no more clients'],
  [/slow: no turn/, 'it is slow: calls wait too long for their turn'],
  [/no answer|timeout|ETIMEDOUT|UNREACH/, 'it does not answer in time'],
  [/ECONNRESET|EPIPE|EPROTO|ERR_SSL|Socket closed/, ENDS],
]

/** Knows whether Redis works, and logs each change. */
export type Diagnosis = ReturnType<typeof createDiagnosis>

/**
 * @param address - host and port, without user and password
 * @param replicas - how many `STORE_URL` asks for
 */
export function createDiagnosis({
  address,
  replicas,
  log,
}: {
  readonly address: string
  readonly replicas: number
  readonly log: Log
}) {
  let current: string | undefined
  let seenAt = 0
  const saidAt = new Map<string, number>()
  let told: ReadonlySet<string> = new Set()
  let data: unknown
  return {
    isTroubled: () => current !== undefined,
    /** Must be called for each failure. */
    saw(error: unknown): void {
      const cause = causeOf(error)
      const kind = KINDS.find(([pattern]) => pattern.test(cause))?.[1]
      if (kind === undefined) return
      const isRecent = current !== undefined && performance.now() - seenAt < QUIET_MS
      // Redis ends a connection after it has said why, for example that it wants a password.
      if (kind === ENDS && isRecent) return
      seenAt = performance.now()
      const again = (saidAt.get(kind) ?? Number.NEGATIVE_INFINITY) + SAY_AGAIN_MS
      if (kind === current || seenAt < again) return
      current = kind
      saidAt.set(kind, seenAt)
      log.warn({ address, cause }, `redis: ${kind}`)
    },
    /** Must be called when a script that writes has succeeded; returns whether that ends an outage. */
    works(): boolean {
      if (current === undefined || performance.now() - seenAt < QUIET_MS) return false
      current = undefined
      saidAt.clear()
      log.info({ address }, 'redis answers again')
      return true
    },
    /**
     * Must be called with the name that the data in Redis has. It has another one after a restart without persistence,
     * after a flush, and where a failover led to a server that never had it.
     */
    found(name: unknown): void {
      if (data !== undefined && name !== data) {
        log.warn(
          { address },
          'redis has lost its data: sessions, blocks and logouts from before are gone, and users who were revoked can mint again',
        )
      }
      data = name
    },
    /** Logs how durable this Redis is; remarks of the last inspection are not repeated. */
    async inspect(connection: RedisConnection): Promise<void> {
      const found = await factsOf(connection)
      if (found === undefined) return
      const remarks = [...remarksOn(found, replicas)]
      for (const [level, msg, fields] of remarks) {
        if (!told.has(msg)) log[level]({ address, ...fields }, msg)
      }
      told = new Set(remarks.map(([, msg]) => msg))
    },
  }
}

/**
 * Message and code of an error, at most 200 characters. Redis repeats the arguments of an unknown command,
 * which may name users, so they are cut off.
 */
export function causeOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const code =
    'code' in error && !error.message.includes(String(error.code)) ? `${error.code}: ` : ''
  return (code + error.message).replace(/, with args .*/s, '').slice(0, 200)
}

type Found = NonNullable<Awaited<ReturnType<typeof factsOf>>>

/**
 * @returns what Redis reports about itself, undefined where our user may not ask, and by how many seconds its clock is ahead
 * of ours; undefined when Redis does not answer
 */
async function factsOf(connection: RedisConnection) {
  const ask = (...command: readonly string[]) =>
    connection.send(command).catch((error: unknown) => {
      if (/NOPERM|unknown command/.test(causeOf(error))) return ''
      throw error
    })
  const before = Date.now()
  try {
    // `WAIT 0 0` does not wait: it answers the number of replicas that follow.
    const [info, replicas] = await Promise.all([ask('INFO'), ask('WAIT', '0', '0')])
    const field = (name: string) => new RegExp(`^${name}:(\\S+)`, 'm').exec(String(info))?.[1]
    const facts = {
      'append-only file': field('aof_enabled'),
      'maxmemory-policy': field('maxmemory_policy'),
      replicas: String(replicas) || undefined,
    }
    const asked = (before + Date.now()) / 2
    return {
      facts,
      clockAhead: Math.round((Number(field('server_time_usec')) / 1000 - asked) / 1000),
    }
  } catch {
    return undefined
  }
}

type Remark = readonly ['info' | 'warn', msg: string, fields?: LogFields]

/** If Redis loses blocks and generations, revoked users can mint again. */
function* remarksOn({ facts, clockAhead }: Found, wanted: number): Generator<Remark> {
  if (facts.replicas !== undefined) {
    yield ['info', `redis: the primary has ${count(Number(facts.replicas), 'replica')}`]
  }
  if (Number(facts.replicas) < wanted) {
    yield [
      'warn',
      `redis: STORE_URL asks for ${count(wanted, 'replica')}; with fewer, revokes are refused`,
    ]
  }
  if (facts['append-only file'] === '0') {
    yield [
      'warn',
      'redis has no append-only file: after a crash of Redis, revoked users may mint again',
    ]
  }
  const policy = facts['maxmemory-policy']
  if (policy !== undefined && policy !== 'noeviction') {
    yield [
      'warn',
      'redis may evict keys: sessions can be lost, and what was revoked or blocked can work again',
      { policy },
    ]
  }
  if (Math.abs(clockAhead) > MOST_CLOCK_SECONDS) {
    const text =
      'redis: its clock and ours differ: a revoke can miss hosted sessions that have just expired by one of them'
    yield ['warn', text, { clock_seconds: clockAhead }]
  }
  const unknown = Object.entries(facts).flatMap(([name, fact]) => (fact === undefined ? name : []))
  if (unknown.length > 0) yield ['warn', 'redis does not say how durable it is', { unknown }]
}
