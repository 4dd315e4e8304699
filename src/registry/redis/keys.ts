// Names of the keys in Redis, and the hash tags that decide their slots.
import { hash } from 'node:crypto'
import type { OwnedThing } from '../records.ts'

/**
 * Names of keys. What users and tokens bring is hashed: it may hold braces, which would move the
 * key to another slot, and may be long.
 *
 * Four kinds of hash tag: one per user, one per owned thing, `{i}` for the global indexes, `{a}` for the audit.
 */
const PREFIX = 'ckm:'
const INDEX = `${PREFIX}{i}:`
const AUDIT = `${PREFIX}{a}:`

const MOST_KNOWN = 10_000

/**
 * Remembers what was made of texts: a mint names the same user several times, and the next one may
 * too. For each first text, of which there may be many, the last call alone.
 *
 * @param make - of nothing but these texts
 */
export function remembering<Parts extends readonly [string, ...(string | undefined)[]], T>(
  make: (...parts: Parts) => T,
): (...parts: Parts) => T {
  const known = new Map<string, { readonly parts: Parts; readonly made: T }>()
  return (...parts) => {
    const last = known.get(parts[0])
    if (last?.parts.every((part, at) => part === parts[at])) return last.made
    const made = make(...parts)
    if (known.size >= MOST_KNOWN) known.clear()
    known.set(parts[0], { parts, made })
    return made
  }
}

/** 144 bits of SHA-256 over the parts; JSON keeps them apart whatever they hold. */
export function hashOf(...parts: readonly string[]): string {
  return hash('sha256', JSON.stringify(parts), 'base64url').slice(0, 24)
}

/**
 * The hash tag of a user.
 *
 * @param user - the mapped user
 */
export const tagOf = remembering((user: string) => hashOf(user))

/**
 * The keys of one user, in the order in which the scripts take them.
 *
 * @param tag - of {@link tagOf}
 */
export function userKeys(tag: string) {
  const key = (name: string) => `${PREFIX}{${tag}}:${name}`
  return {
    /** Hash: `g` generation; `bu` until, `bs` place and `bp` JSON of the block. */
    state: key('u'),
    /** Hash: session id → row. */
    rows: key('s'),
    /** Hash: secret hash → session id. */
    secrets: key('k'),
    /** Sorted set: active sessions by expiry. */
    byExpiry: key('e'),
    /** Sorted set: active sessions by place in the order of creation. */
    byPlace: key('p'),
    /** Sorted set: the outbox, by when it is due in milliseconds. */
    outbox: key('o'),
  }
}

/**
 * The counter of a session's running minute, in the slot of its user.
 *
 * @param tag - of {@link tagOf}
 * @param id - of the session
 */
export function usesKey(tag: string, id: string): string {
  return `${PREFIX}{${tag}}:w:${hashOf(id)}`
}

/**
 * The counter of a user's mints, in the user's slot.
 *
 * @param tag - of {@link tagOf}
 */
export function mintsKey(tag: string): string {
  return `${PREFIX}{${tag}}:c`
}

/** The global indexes. Written before the user step, so they may name what never came to be. */
export const index = {
  /** Counter: the order of creation. */
  place: `${INDEX}n`,
  /** Hash: session id → tag, place and the hashes of its indexes. */
  sessions: `${INDEX}s`,
  /** Sorted set: sessions by when they end or ended. */
  ends: `${INDEX}e`,
  /** Sorted set: sessions whose cancel has begun, by place. */
  ended: `${INDEX}x`,
  /** Sorted sets: users by place of their block, and by its end. */
  blocks: `${INDEX}b`,
  blockEnds: `${INDEX}be`,
  /** Sorted set: users by when a cancel of theirs is due, in milliseconds. */
  due: `${INDEX}d`,
  /** Sorted set: until when a user stays in `due` though nothing is found, in milliseconds. */
  armed: `${INDEX}da`,
  health: `${INDEX}h`,
} as const

/** Sorted sets of sessions by place: all, or those with one value of a field. */
export type SessionIndex = 'all' | 'user' | 'workflow' | 'issuer' | 'subject' | 'pair'

/**
 * @param field - which index
 * @param hash - of the value, as {@link hashOf} makes it; none for `all`
 */
export function sessionIndex(field: SessionIndex, hash = ''): string {
  return `${INDEX}l:${field}:${hash}`
}

/**
 * Sorted set: the users of a subject or `sid`, by when their last session expires.
 *
 * @param kind - which part of the identity
 * @param hash - of issuer and value
 */
export function usersOfKey(kind: 'subject' | 'sid', hash: string): string {
  return `${INDEX}i:${kind}:${hash}`
}

/**
 * What is owned: the records lie each in a slot of its own, the lists of them with the indexes. A
 * member of a list is of one claim, `hash:place`, so that no claim touches the entries of another.
 */
export const owned = {
  /** JSON, under the hash of workflow, kind and id. */
  record: (hash: string) => `${PREFIX}{${hash}}:owner`,
  hashOf: ({ workflow, kind, id }: Readonly<Record<keyof OwnedThing, string>>) =>
    hashOf(workflow, kind, id),
  /** Sorted set: members by place; of a kind, of a workflow, of a user, of both. */
  list: (kind: OwnedThing['kind'], workflow: string | undefined, user: string | undefined) => {
    const [first, second] = [workflow, user].map((part) => (part === undefined ? '' : hashOf(part)))
    return `${INDEX}o:${kind}:${first}:${second}`
  },
  /** Sorted set: members whose claim may be under way, by when it began. */
  young: `${INDEX}oy`,
  /** Set: workflows with anything owned. */
  workflows: `${INDEX}ow`,
} as const

/** The audit. */
export const audit = {
  place: `${AUDIT}n`,
  /** Hash: id → JSON. */
  entries: `${AUDIT}s`,
  byPlace: `${AUDIT}p`,
  byTime: `${AUDIT}t`,
  ofUser: remembering((user: string) => `${AUDIT}u:${hashOf(user)}`),
  ofAction: remembering((action: string) => `${AUDIT}c:${hashOf(action)}`),
} as const

/** One key each, in whatever slot. */
export const single = {
  mark: (issuer: string, kind: 'subject' | 'sid', value: string) =>
    `${PREFIX}m:${hashOf(issuer, kind, value)}`,
  counter: (key: string) => `${PREFIX}c:${hashOf(key)}`,
  once: (key: string) => `${PREFIX}r:${hashOf(key)}`,
  kept: (name: string) => `${PREFIX}key:${hashOf(name)}`,
} as const
