import { cutPage, type Span, spanOf } from '../paging.ts'
import type { Registry } from '../port.ts'
import type { AuditQuery, Block, PageQuery, SessionQuery } from '../records.ts'
import { matchesQuery } from '../session-match.ts'
import { APPEND_AUDIT, DROP_BLOCK } from './index-scripts.ts'
import { audit, hashOf, index, sessionIndex, tagOf, userKeys, usersOfKey } from './keys.ts'
import type { Commands, Link } from './link.ts'
import { identityHashes, maybeTexts, texts, toAuditEntry, toBlock } from './rows.ts'
import { LIFT_BLOCK } from './user-scripts.ts'
import { fetchSessions } from './where.ts'

type Lists = Pick<
  Registry,
  | 'getSession'
  | 'listSessions'
  | 'usersOf'
  | 'listBlocks'
  | 'liftBlock'
  | 'appendAudit'
  | 'listAudit'
>

/** How many entries of an index one call reads at most; a list asks until its page is full. */
const CHUNK = 1_000

/** A sorted set by place, and how to read what it names. */
interface Listing<T> {
  readonly key: string
  /** The place of a cursor, of those that exist. */
  readonly placeOf: (redis: Commands, cursor: string) => Promise<number | undefined>
  /** What the members name, as far as it exists and passes the filters. */
  readonly fetch: (redis: Commands, members: readonly string[]) => Promise<readonly T[]>
}

/**
 * Reading, and the audit trail.
 *
 * @param link - to Redis
 */
export function createLists(link: Link): Lists {
  return {
    getSession: async (id) => {
      const [session] = await link.call((redis) => fetchSessions(redis, [id]))
      return session?.record
    },
    listSessions: (query) => listSessions(link, query),
    usersOf: (identity) =>
      link.call(async (redis) => {
        const { pair, sid } = identityHashes(identity)
        const sets = [
          ...(pair === '' ? [] : [usersOfKey('subject', pair)]),
          ...(sid === '' ? [] : [usersOfKey('sid', sid)]),
        ]
        const users = sets.map(async (key) =>
          texts.parse(await redis.send(key, 'ZRANGE', key, '0', '-1')),
        )
        const members = new Set((await Promise.all(users)).flat())
        return [...members].map((member) => String(JSON.parse(member)))
      }),
    listBlocks: (query) =>
      list(link, query, {
        key: index.blocks,
        placeOf: (redis, user) => score(redis, index.blocks, tagOf(user)),
        fetch: (redis, tags) => fetchBlocks(redis, tags, query.now),
      }),
    liftBlock: (user, now) => link.call((redis) => liftBlock(redis, user, now)),
    async appendAudit(entries) {
      if (entries.length === 0) return
      const own = entries.flatMap((entry) => [
        audit.ofUser(entry.user ?? ''),
        audit.ofAction(entry.action),
      ])
      const keys = [audit.place, audit.entries, audit.byPlace, audit.byTime, ...own]
      const args = entries.flatMap((entry) => [entry.id, entry.at, JSON.stringify(entry)])
      await link.call((redis) => redis.run(APPEND_AUDIT, keys, args))
    },
    listAudit: (query) => listAudit(link, query),
  }
}

async function list<T>(link: Link, query: PageQuery, listing: Listing<T>) {
  const { after, before } = query
  const [afterAt, beforeAt] = await link.call((redis) =>
    Promise.all(
      [after, before].map((cursor) =>
        cursor === undefined ? undefined : listing.placeOf(redis, cursor),
      ),
    ),
  )
  if (after !== undefined && afterAt === undefined) return undefined
  if (before !== undefined && beforeAt === undefined) return undefined
  let span = spanOf(query, { after: afterAt, before: beforeAt })
  let count = Math.min(query.limit + 20, CHUNK)
  const found: T[] = []
  for (;;) {
    const stretch = { span, count }
    const chunk = await link.call((redis) => readChunk(redis, listing, stretch))
    found.push(...chunk.items)
    if (chunk.lastPlace === undefined || found.length > query.limit) break
    const end = span.walk === 'asc' ? { above: chunk.lastPlace } : { below: chunk.lastPlace }
    span = { ...span, ...end }
    count = CHUNK
  }
  return cutPage(found.slice(0, query.limit + 1), query.limit, span)
}

/** `lastPlace`: where to go on; undefined at the end. */
async function readChunk<T>(
  redis: Commands,
  listing: Listing<T>,
  { span, count }: { readonly span: Span; readonly count: number },
) {
  const [low, high] = [`(${span.above}`, `(${span.below}`]
  const range = span.walk === 'asc' ? ['ZRANGEBYSCORE', low, high] : ['ZREVRANGEBYSCORE', high, low]
  const [command = '', ...bounds] = range
  const rest = [...bounds, 'WITHSCORES', 'LIMIT', '0', String(count)]
  const reply = texts.parse(await redis.send(listing.key, command, listing.key, ...rest))
  const members = reply.filter((_, at) => at % 2 === 0)
  const items = members.length === 0 ? [] : await listing.fetch(redis, members)
  return { items, lastPlace: members.length < count ? undefined : Number(reply.at(-1)) }
}

async function listSessions(link: Link, query: SessionQuery): ReturnType<Registry['listSessions']> {
  const key = await link.call((redis) => smallest(redis, sessionLists(query)))
  const page = await list(link, query, {
    key,
    placeOf: async (redis, id) => (await fetchSessions(redis, [id]))[0]?.place,
    fetch: async (redis, ids) => {
      const sessions = await fetchSessions(redis, await withStatus(redis, ids, query))
      return sessions.filter((one) => matchesQuery(one.record, query))
    },
  })
  return page && { ...page, data: page.data.map((one) => one.record) }
}

/** Leaves out by their end what cannot have the status asked for, and need not be fetched. */
async function withStatus(
  redis: Commands,
  ids: readonly string[],
  { status, now }: SessionQuery,
): Promise<readonly string[]> {
  if (status !== 'active' && status !== 'expired') return ids
  const ends = maybeTexts.parse(await redis.send(index.ends, 'ZMSCORE', index.ends, ...ids))
  return ids.filter((_, at) => {
    const end = ends[at]
    return typeof end !== 'string' || Number(end) > now === (status === 'active')
  })
}

/** Every index that holds all that the query asks for. */
function sessionLists(query: SessionQuery): readonly string[] {
  const { user, workflow, issuer, subject, status } = query
  const keys = [sessionIndex('all')]
  if (user !== undefined) keys.push(sessionIndex('user', tagOf(user)))
  if (workflow !== undefined) keys.push(sessionIndex('workflow', hashOf(workflow)))
  if (issuer !== undefined) keys.push(sessionIndex('issuer', hashOf(issuer)))
  if (subject !== undefined) keys.push(sessionIndex('subject', hashOf(subject)))
  if (issuer !== undefined && subject !== undefined) {
    keys.push(sessionIndex('pair', hashOf(issuer, subject)))
  }
  if (status === 'cancelling' || status === 'cancelled') keys.push(index.ended)
  return keys
}

async function smallest(redis: Commands, keys: readonly string[]): Promise<string> {
  const sizes = await Promise.all(
    keys.map(async (key) => Number(await redis.send(key, 'ZCARD', key))),
  )
  return keys[sizes.indexOf(Math.min(...sizes))] ?? sessionIndex('all')
}

async function fetchBlocks(
  redis: Commands,
  tags: readonly string[],
  now: number,
): Promise<readonly Block[]> {
  const found = await Promise.all(
    tags.map(async (tag) => {
      const key = userKeys(tag).state
      const [json] = maybeTexts.parse(await redis.send(key, 'HMGET', key, 'bp'))
      return typeof json === 'string' ? toBlock(json) : undefined
    }),
  )
  return found.filter((block) => block !== undefined).filter((block) => now < block.until)
}

async function liftBlock(redis: Commands, user: string, now: number): Promise<boolean> {
  const tag = tagOf(user)
  const reply = await redis.run(LIFT_BLOCK, Object.values(userKeys(tag)), [now])
  const [stood, place = ''] = texts.parse(reply)
  if (place !== '') await redis.run(DROP_BLOCK, [index.blocks, index.blockEnds], [tag, place])
  return stood === '1'
}

async function listAudit(link: Link, query: AuditQuery): ReturnType<Registry['listAudit']> {
  const { user, action } = query
  const all = action === undefined ? audit.byPlace : audit.ofAction(action)
  const paged = { ...query, order: 'desc' } as const
  return list(link, paged, {
    key: user === undefined ? all : audit.ofUser(user),
    placeOf: (redis, id) => score(redis, audit.byPlace, id),
    fetch: async (redis, ids) => {
      const reply = maybeTexts.parse(
        await redis.send(audit.entries, 'HMGET', audit.entries, ...ids),
      )
      const entries = reply.filter((json) => json !== null).map(toAuditEntry)
      return entries.filter(
        (entry) =>
          (user === undefined || entry.user === user) &&
          (action === undefined || entry.action === action),
      )
    },
  })
}

async function score(redis: Commands, key: string, member: string): Promise<number | undefined> {
  const [place] = maybeTexts.parse(await redis.send(key, 'ZMSCORE', key, member))
  return typeof place === 'string' ? Number(place) : undefined
}
