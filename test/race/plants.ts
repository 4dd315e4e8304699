// Faults to plant: each breaks a promise in some order of events, and the race has to find it.
import type { Registry } from '../../src/registry/port.ts'
import type { Plant } from './in-process.ts'

type Change = (registry: Registry) => Partial<Registry>

/** Replaces methods of a registry; each call that the new ones make is a step of its own. */
const changing = (change: Change): Plant => ({ registry: changedBy(change) })
/** The same for creates and cancels by key alone. */
const changingForKeys = (change: Change): Plant => ({ backendRegistry: changedBy(change) })

function changedBy(change: Change) {
  return (registry: Registry): Registry => {
    const changed = change(registry)
    return new Proxy(registry, {
      get: (target, name) => Reflect.get(Object.hasOwn(changed, name) ? changed : target, name),
    })
  }
}

const NOBODY = { issuer: 'https://nobody.example/' }

/** Records with the generation of this moment, as if it were not compared with that of the mint's begin. */
async function recordUncompared(registry: Registry, entry: Parameters<Registry['record']>[0]) {
  const question = { user: entry.session.user, identity: NOBODY, now: entry.now }
  const { generation } = await registry.readStanding(question)
  return registry.record({ ...entry, generation })
}

/** Ids of sessions whose cancel was postponed, on any instance. */
const POSTPONED = new Set<string>()

/** Faults in mint, revoke, canceller and store, each of which breaks a promise in some order of events. */
export const PLANTS: Readonly<Record<string, Plant>> = {
  'the session is recorded without comparing the generation': changing((registry) => ({
    record: (entry) => recordUncompared(registry, entry),
  })),

  'the block is written after the sessions are cancelled': changing((registry) => ({
    async revoke(order) {
      const { cancelling } = await registry.revoke({ ...order, block: undefined })
      return { ...(await registry.revoke({ ...order, identity: NOBODY })), cancelling }
    },
  })),

  'the block is read before the upstream call only': changing((registry) => ({
    async record(entry) {
      await registry.liftBlock(entry.session.user, entry.now)
      return recordUncompared(registry, entry)
    },
  })),

  'a revoke does not raise the generation, and blocks only': changing((registry) => ({
    async readStanding(question) {
      const standing = await registry.readStanding(question)
      return {
        ...standing,
        generation: standing.blockedUntil === undefined ? -1 : standing.generation,
      }
    },
    async record(entry) {
      return entry.generation === -1 ? recordUncompared(registry, entry) : registry.record(entry)
    },
  })),

  'a secret leaves before its session is in the registry': changing((registry) => ({
    async record(entry) {
      registry.record(entry).catch(() => undefined)
      return { kind: 'recorded', ended: [] }
    },
  })),

  'a lifted block takes the raised generation with it': changing((registry) => {
    const lifted = new Set<string>()
    return {
      async liftBlock(user, now) {
        lifted.add(user)
        return registry.liftBlock(user, now)
      },
      async record(entry) {
        const isLifted = lifted.has(entry.session.user)
        return isLifted ? recordUncompared(registry, entry) : registry.record(entry)
      },
    }
  }),

  'one session more than the cap is let in': changing((registry) => ({
    record: (entry) => registry.record({ ...entry, cap: { ...entry.cap, max: entry.cap.max + 1 } }),
  })),

  'the cap is judged by what was read before the upstream call': changing((registry) => ({
    async record(entry) {
      if (entry.cap.whenFull === 'evict_oldest') return registry.record(entry)
      return registry.record({ ...entry, cap: { ...entry.cap, max: 1000 } })
    },
  })),

  'an evicted session can be refreshed': changing((registry) => ({
    async readStanding(question) {
      const standing = await registry.readStanding(question)
      return standing.current?.endReason === 'evicted'
        ? { ...standing, current: undefined }
        : standing
    },
  })),

  'a refresh leaves the old session alone': changing((registry) => ({
    record: (entry) => registry.record({ ...entry, replaces: undefined }),
  })),

  'a cancel counts as confirmed though it failed': { believesEveryCancel: true },

  'a cancel leaves the outbox when it is handed out': changing((registry) => ({
    async claimCancels(claim) {
      const due = await registry.claimCancels(claim)
      const ids = due.map(({ id }) => id)
      await registry.confirmCancel(ids, Math.floor(claim.nowMs / 1000))
      return due
    },
  })),

  'a cancel that was postponed is never due again': changing((registry) => ({
    async postponeCancel(id) {
      POSTPONED.add(id)
    },
    async claimCancels(claim) {
      const due = await registry.claimCancels(claim)
      return due.filter(({ id }) => !POSTPONED.has(id))
    },
  })),

  'a logout marks nothing': changing(() => ({ async markLogout() {} })),

  'a logout writes its marks after its search': changing((registry) => {
    const waiting: (() => Promise<void>)[] = []
    return {
      async markLogout(mark) {
        waiting.push(() => registry.markLogout(mark))
      },
      async usersOf(identity) {
        const users = await registry.usersOf(identity)
        for (const mark of waiting.splice(0)) await mark()
        return users
      },
    }
  }),

  'the marks of a logout are read before the upstream call only': changing((registry) => ({
    record: (entry) => registry.record({ ...entry, tokenIssuedAt: undefined }),
  })),

  'a logout does not find sessions by sid': changing((registry) => ({
    usersOf: async (identity) => (identity.sid === undefined ? registry.usersOf(identity) : []),
  })),

  'a sign-out does nothing': changing((registry) => ({
    async revoke(order) {
      if (order.endReason !== 'signed_out') return registry.revoke(order)
      return {
        ...{ cancelling: [], blockedUntil: undefined, blockBefore: undefined },
        ...{ generation: 0, known: true },
      }
    },
  })),

  'blocks do not last': changing((registry) => ({
    async revoke(order) {
      const outcome = await registry.revoke(order)
      await registry.liftBlock(order.user, order.now)
      return outcome
    },
  })),

  'a sweep takes sessions that live': changing((registry) => ({
    sweep: (retention) =>
      registry.sweep({ ...retention, sessionsEndedBefore: retention.now + 86_400 }),
  })),

  'a cancel by key skips the registry': changingForKeys((registry) => ({
    async beginCancel(id) {
      const session = await registry.getSession(id)
      return session && { ...session, status: 'cancelling' }
    },
  })),

  'a cancel by key says that it has ended what has not': changingForKeys((registry) => ({
    async beginCancel(id, now) {
      const session = await registry.beginCancel(id, now)
      return session && { ...session, status: 'cancelled' }
    },
  })),

  'a create by key is not recorded': changingForKeys(() => ({
    record: async () => ({ kind: 'recorded', ended: [] }),
  })),

  'a create by key does not compare the generation': changingForKeys((registry) => ({
    record: (entry) => recordUncompared(registry, entry),
  })),

  "anybody's client secret replaces a session": changing((registry) => ({
    async record(entry) {
      const outcome = await registry.record(entry)
      const all = await registry.listSessions({ limit: 100, order: 'desc', now: entry.now })
      const other = all?.data.find(({ user }) => user !== entry.session.user)
      if (other && entry.replaces) await registry.beginCancel(other.id, entry.now)
      return outcome
    },
  })),
}
