import { createHash } from 'node:crypto'
import { createClient } from '@redis/client'
import { eachBounded } from '../../../src/lib/concurrency.ts'
import { createLog } from '../../../src/lib/log.ts'
import { Secret } from '../../../src/lib/secret.ts'
import { identityOf } from '../../../src/registry/identity.ts'
import type { Registry } from '../../../src/registry/port.ts'
import { createRedisRegistry } from '../../../src/registry/redis.ts'
import { chainedEntry, entry } from '../../contracts/registry-fixtures.ts'
import { patient } from '../../support/registry/patient-registry.ts'
import { startRedis, type TestRedis } from '../../support/registry/redis.ts'
import type { Report } from '../report/part.ts'
import { median, ratio, spread } from '../report/statistics.ts'
import { figure, table, times, withSpread } from '../report/tables.ts'
import type { Scene } from '../scene.ts'

/** Calls under way, as in a service under load. */
const AT_ONCE = 16
const MINTS = 4_000
/** Several sessions each, and none at the cap. */
const MINTS_PER_USER = 4
/** Share of a core that a primary should not exceed. */
const BUSY = 0.8
const ISSUER = 'https://login.acme.example/'

/** Entries that the audit writes together. */
const BATCH = 20

/** Microseconds for each of something. */
interface Spent {
  readonly server: number
  readonly client: number
}

type Step = 'mint' | 'audit' | 'set'

/** A figure per round. */
interface Found extends Readonly<Record<Step, Spent[]>> {
  readonly sessionBytes: number[]
  readonly entryBytes: number[]
}

/** CPU of a mint's two steps in Redis and in its client, beside a bare SET, and bytes per session. */
export async function redisPart({ options, redisUrl, progress }: Scene): Promise<Report> {
  const found: Found = { mint: [], audit: [], set: [], sessionBytes: [], entryBytes: [] }
  if (redisUrl === undefined) return report(found)
  const redis = await startRedis(['--appendonly', 'yes'])
  const log = createLog({ level: 'silent' })
  const location = { url: new Secret(redis.url), cluster: false, replicas: 0 }
  const registry = patient(createRedisRegistry({ ...location, log, callMs: 5_000 }))
  const client = await createClient({ url: redis.url }).connect()
  try {
    const mints = Math.ceil(MINTS * options.scale)
    let next = 0
    const mint = () => mintOnce(registry, next++)
    const set = () => client.sendCommand(['SET', '{ckm}:bare', 'x'.repeat(100)])
    const audit = () => registry.appendAudit(Array.from({ length: BATCH }, () => auditOf(next++)))
    await measure(redis, mints, mint)
    for (let round = 0; round < options.rounds; round++) {
      progress(`redis: round ${round + 1} of ${options.rounds}`)
      const bytes = await memoryOf(redis)
      found.mint.push(await measure(redis, mints, mint))
      const withSessions = await memoryOf(redis)
      const { server, client: here } = await measure(redis, mints / BATCH, audit)
      found.audit.push({ server: server / BATCH, client: here / BATCH })
      found.sessionBytes.push((withSessions - bytes) / mints)
      found.entryBytes.push(((await memoryOf(redis)) - withSessions) / mints)
      found.set.push(await measure(redis, mints, set))
    }
    return report(found)
  } finally {
    await registry.close()
    client.destroy()
    await redis.close()
  }
}

async function mintOnce(registry: Registry, at: number): Promise<void> {
  const now = Math.floor(Date.now() / 1000)
  const subject = `user-${Math.floor(at / MINTS_PER_USER)}`
  const identity = identityOf({ issuer: ISSUER, subject, sid: undefined })
  const { session } = entry({
    ...{ id: `cksess_${String(at).padStart(40, '0')}`, user: `${ISSUER}|${subject}` },
    ...{ ...identity, createdAt: now, expiresAt: now + 600 },
    secretHash: createHash('sha256').update(String(at)).digest('hex'),
  })
  const limit = { max: 1_000_000, seconds: 60, nowMs: now * 1000 }
  const begun = await registry.beginMint({ user: session.user, identity, now }, limit)
  const generation = begun.standing?.generation ?? Number.NaN
  const cap = { max: 20, whenFull: 'evict_oldest' } as const
  const { kind } = await registry.record({ session, generation, cap, now })
  if (kind !== 'recorded') throw new Error(`not recorded: ${kind}`)
}

function auditOf(at: number) {
  const subject = `user-${Math.floor(at / MINTS_PER_USER)}`
  const [id, user] = [`aud_${String(at).padStart(32, '0')}`, `${ISSUER}|${subject}`]
  const requestId = `req_${String(at).padStart(32, '0')}`
  const noted = {
    id,
    actor: user,
    user,
    action: 'mint',
    outcome: 'ok',
    reason: 'support',
    requestId,
  } as const
  const digest = createHash('sha256').update(id)
  const prev = digest.copy().digest('base64url')
  const salt = digest.digest('hex').slice(0, 32)
  return chainedEntry(noted, {
    instance: 'ins_0123456789abcdef',
    seq: at + 1,
    prev,
    salt,
    byUser: true,
  })
}

async function measure(redis: TestRedis, count: number, one: () => Promise<unknown>) {
  const before = await cpuOf(redis)
  await eachBounded(Array.from({ length: count }), AT_ONCE, async () => {
    await one()
  })
  const after = await cpuOf(redis)
  return {
    server: (after.server - before.server) / count,
    client: (after.client - before.client) / count,
  }
}

async function cpuOf(redis: TestRedis): Promise<Spent> {
  const info = await redis.cli('info', 'cpu')
  const seconds = (name: string) => Number(new RegExp(`^${name}:([\\d.]+)`, 'm').exec(info)?.[1])
  const { user, system } = process.cpuUsage()
  return {
    server: (seconds('used_cpu_sys') + seconds('used_cpu_user')) * 1e6,
    client: user + system,
  }
}

const memoryOf = async (redis: TestRedis) =>
  Number(/^used_memory_dataset:(\d+)/m.exec(await redis.cli('info', 'memory'))?.[1])

function report(found: Found): Report {
  const row = (title: string, kind: Step) => [
    title,
    withSpread(spread(side(found, kind, 'server'))),
    withSpread(spread(side(found, kind, 'client'))),
    times(ratio(side(found, kind, 'server'), side(found, 'set', 'server'))),
  ]
  const server = median(side(found, 'mint', 'server')) + median(side(found, 'audit', 'server'))
  const [session, entry] = [found.sessionBytes, found.entryBytes].map(median)
  return {
    title: 'Redis, CPU per mint and memory',
    how: `The registry's two steps of a mint and its audit entry, ${AT_ONCE} calls at once, append-only file on; medians of interleaved rounds. At ${BUSY * 100} % of a core a primary carries ${figure((BUSY * 1e6) / server)} mints a second. A session takes ${figure(session)} bytes, an audit entry ${figure(entry)}, until the sweep.`,
    tables: [
      table(
        ['step', 'server, µs', 'client, µs', '× a bare SET in the server'],
        [row('mint', 'mint'), row('audit entry', 'audit'), row('bare `SET`', 'set')],
      ),
    ],
    goals: [],
    figures: found,
  }
}

function side(found: Found, kind: Step, of: keyof Spent): readonly number[] {
  return found[kind].map((spent) => spent[of])
}
