import { describe, expect, it } from 'vitest'
import { createLog } from '../../src/lib/log.ts'
import { Secret } from '../../src/lib/secret.ts'
import { signInOf } from '../../src/registry/identity.ts'
import { createRedisRegistry } from '../../src/registry/redis.ts'
import { createSqliteRegistry } from '../../src/registry/sqlite.ts'
import {
  chainedEntry,
  entry,
  hashOf,
  NOW,
  order,
  type PlainRegistry,
} from '../contracts/registry-fixtures.ts'
import { plain } from '../support/ids.ts'
import { startRedis, wantsRedis } from '../support/registry/redis.ts'
import { answers } from '../support/registry/redis-instances.ts'
import { forEachTest } from '../support/started.ts'

// Both stores take the same random steps; each answer of one must be that of the other.

const ROUNDS = 100
const STEPS = 60
const ISSUER = 'https://idp.example/'
const USERS = ['alice', 'bob', 'carol'] as const
const STATUSES = ['active', 'expired', 'cancelling', 'cancelled', 'replaced'] as const
const ACTIONS = ['mint', 'revoke', 'erase'] as const

type Step = (registry: PlainRegistry) => Promise<unknown>

/** mulberry32: the same numbers for the same seed. */
function createRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Makes the function that gives the next step and its name; time goes on between steps. */
function createSteps(random: () => number): () => readonly [string, Step] {
  const pick = <T>(of: readonly T[]): T => of[Math.floor(random() * of.length)] as T
  const maybe = <T>(value: T): T | undefined => (random() < 0.4 ? value : undefined)
  const below = (most: number) => Math.floor(random() * most)
  const ids: string[] = ['none']
  let made = 0
  let now = NOW

  function newSession() {
    const [user, id] = [pick(USERS), `s${made++}`]
    ids.push(id)
    const subject = `${user}-sub`
    const sid = pick([undefined, 'sid-1', signInOf(subject, undefined)])
    return { id, user, subject, sid, state: maybe({ plan: 'pro' }), ...times() }
  }
  const times = () => ({ createdAt: now, expiresAt: now + below(800) })
  const subjectOf = () => ({ issuer: ISSUER, subject: `${pick(USERS)}-sub` })
  const identity = () =>
    pick([subjectOf(), { issuer: ISSUER, sid: pick(['sid-1', signInOf('bob-sub', undefined)]) }])
  const thing = () => ({ source: pick(['a', 'b']), kind: 'thread', id: `t${below(3)}` }) as const

  const makers: Readonly<Record<string, () => Step>> = {
    record() {
      const session = newSession()
      const replaces = maybe(pick(ids))
      const cap = { max: 3, whenFull: pick(['deny', 'evict_oldest'] as const) }
      const currentSecretHash = maybe(hashOf(`secret of ${pick(ids)}`))
      const query = { user: session.user, identity: subjectOf(), currentSecretHash, now }
      return async (registry) => {
        const standing = await registry.readStanding({ ...query, exactFrom: 3 })
        const { generation } = standing
        return [standing, await registry.record(entry(session, { generation, cap, replaces, now }))]
      }
    },
    revoke() {
      const block = maybe({ until: now + below(300), reason: maybe('why'), by: 'ada' })
      const command = order({ user: pick(USERS), identity: maybe(identity()), block, now })
      return (registry) => registry.revoke(command)
    },
    mint() {
      const query = { user: pick(USERS), identity: identity(), now }
      const window = { seconds: 60, nowMs: now * 1000 }
      return (registry) => registry.beginMint(query, window)
    },
    cancel: withId((id) => (registry) => registry.beginCancel(id, now, 'ada')),
    confirm: withId((id) => (registry) => registry.confirmCancel([id], now)),
    get: withId((id) => (registry) => registry.getSession(id)),
    use: withId((id) => {
      const counts = pick(['run', 'read', 'nothing'] as const)
      const use = { id, user: pick(USERS), maxPerMinute: 2, counts, nowMs: now * 1000 }
      return (registry) => registry.useSession(use)
    }),
    claim() {
      const claimed = { nowMs: now * 1000, limit: 10, leaseMs: 1000 }
      return async (registry) =>
        (await registry.claimCancels(claimed)).map(({ id }) => id).toSorted()
    },
    ended() {
      const asked = ids.map((id) => ({ id, user: pick(USERS) }))
      return (registry) => registry.endedAmong(asked)
    },
    sessions() {
      const filter = { user: maybe(pick(USERS)), status: maybe(pick(STATUSES)), now }
      const more = { subject: maybe('bob-sub'), workflow: maybe('support') }
      const page = {
        ...{ limit: 1 + below(3), order: pick(['asc', 'desc'] as const) },
        ...{ after: maybe(pick(ids)), before: maybe(pick(ids)) },
      }
      return (registry) => registry.listSessions({ ...filter, ...more, ...page })
    },
    users() {
      const cursor = pick([{}, { after: pick(USERS) }, { before: pick(USERS) }])
      const query = { q: maybe(pick(['a', 'b', ''])), ...cursor, limit: 2, now }
      return (registry) => registry.listUsers(query)
    },
    known: withUser((user) => (registry) => registry.isKnown(user)),
    blocks() {
      const cursors = { after: maybe(pick(USERS)), before: maybe(pick(USERS)) }
      const page = { limit: 2, order: pick(['asc', 'desc'] as const), ...cursors }
      return (registry) => registry.listBlocks({ ...page, now })
    },
    block: withUser((user) => (registry) => registry.getBlock(user, now)),
    lift: withUser((user) => {
      const generation = maybe(1)
      return (registry) => registry.liftBlock(user, now, generation)
    }),
    usersOf() {
      const asked = identity()
      return async (registry) => (await registry.usersOf(asked)).toSorted()
    },
    own() {
      const claimed = { ...thing(), user: pick(USERS), createdAt: now }
      return (registry) => registry.claimOwnership(claimed)
    },
    release() {
      const released = { ...thing(), user: pick(USERS) }
      return (registry) => registry.releaseOwnership(released)
    },
    owned() {
      const filter = { kind: 'thread', source: maybe('a'), user: maybe(pick(USERS)) } as const
      const cursors = { after: maybe('t1'), before: maybe('t2') }
      const page = { limit: 2, order: pick(['asc', 'desc'] as const), ...cursors }
      return (registry) => registry.listOwned({ ...filter, ...page })
    },
    audit() {
      const entries = [0, 1].map(() => {
        const who = { actor: pick(USERS), user: maybe(pick(USERS)), action: pick(ACTIONS) }
        return chainedEntry({ id: `aud_${made++}`, at: now - below(9), ...who }, { seq: made })
      })
      return (registry) => registry.appendAudit(entries)
    },
    auditList() {
      const who = { user: maybe('alice'), actor: maybe('bob'), action: maybe('mint') }
      const times = { since: maybe(now - 200), until: maybe(now - 50), notAction: maybe('erase') }
      return (registry) => registry.listAudit({ limit: 2, ...who, ...times })
    },
    erase() {
      const command = { user: pick(USERS), limit: 1 + below(4), now }
      return async (registry) => {
        while ((await registry.eraseUser(command)).more);
      }
    },
    sweep() {
      const sessionsEndedBefore = now - below(300)
      const times = { sessionsEndedBefore, auditBefore: now - 100, usersSeenBefore: now - 200 }
      return (registry) => registry.sweep({ ...times, now })
    },
  }

  function withId(step: (id: string) => Step): () => Step {
    return () => step(pick(ids))
  }
  function withUser(step: (user: string) => Step): () => Step {
    return () => step(pick(USERS))
  }

  const names = Object.keys(makers)
  return () => {
    if (random() < 0.4) now += below(150)
    const name = pick([...names, 'record', 'record', 'record', 'revoke'])
    const make = makers[name]
    if (make === undefined) throw new Error(name)
    return [name, make()]
  }
}

describe.runIf(wantsRedis())('Redis and SQLite', () => {
  const redis = forEachTest(() => startRedis())
  // A longer deadline, because the machine may be busy.
  const one = forEachTest(async () => {
    const location = { url: new Secret(redis.url), cluster: false, replicas: 0 }
    const log = createLog({ level: 'silent' })
    const registry = plain(createRedisRegistry({ ...location, log, callMs: 5_000 }))
    await answers(registry)
    return registry
  })

  it('give the same answers to the same steps', async () => {
    for (let seed = 1; seed <= ROUNDS; seed++) {
      await redis.flush()
      const other = plain(createSqliteRegistry({ path: ':memory:' }))
      const next = createSteps(createRandom(seed))
      for (let at = 0; at < STEPS; at++) {
        const [name, step] = next()
        expect(await step(one), `round ${seed}, step ${at}: ${name}`).toEqual(await step(other))
      }
      await other.close()
    }
  }, 60_000)
})
