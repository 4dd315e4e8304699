// Lists of sessions, blocks and audit entries, and single entries of them.
import type { Registry } from '../port.ts'
import type { AuditQuery, Block, SessionQuery } from '../records.ts'
import { matchesQuery } from '../session-match.ts'
import { APPEND_AUDIT, DROP_BLOCK } from './index-scripts.ts'
import { audit, hashOf, index, sessionIndex, tagOf, userKeys, usersOfKey } from './keys.ts'
import type { Commands, Link } from './link.ts'
import { readPage } from './pages.ts'
import { identityHashes, maybeTexts, texts, toAuditEntry, toBlock, userId } from './rows.ts'
import { LIFT_BLOCK } from './user-scripts.ts'
import { fetchSessions } from './where.ts'

type Lists = Pick<
  Registry,
  | 'getSession'
  | 'listSessions'
  | 'usersOf'
  | 'listBlocks'
  | 'getBlock'
  | 'liftBlock'
  | 'appendAudit'
  | 'listAudit'
>

/**
 * Reading, and the audit.
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
        return [...members].map((member) => userId.parse(JSON.parse(member)))
      }),
    listBlocks: (query) =>
      readPage(link, query, {
        key: index.blocks,
        placeOf: (redis, user) => score(redis, index.blocks, tagOf(user)),
        fetch: (redis, tags) => fetchBlocks(redis, tags, query.now),
      }),
    getBlock: async (user, now) => {
      const [block] = await link.call((redis) => fetchBlocks(redis, [tagOf(user)], now))
      return block
    },
    liftBlock: (user, now, generation) =>
      link.call((redis) => liftBlock(redis, user, [now, generation ?? ''])),
    async appendAudit(entries) {
      if (entries.length === 0) return
      const keys: string[] = [audit.place, audit.entries, audit.byPlace, audit.byTime]
      const args: (string | number)[] = []
      for (const entry of entries) {
        keys.push(audit.ofUser(entry.user ?? ''), audit.ofAction(entry.action))
        args.push(entry.id, entry.at, JSON.stringify(entry))
      }
      await link.call((redis) => redis.run(APPEND_AUDIT, keys, args))
    },
    listAudit: (query) => listAudit(link, query),
  }
}

async function listSessions(link: Link, query: SessionQuery): ReturnType<Registry['listSessions']> {
  const key = await link.call((redis) => smallest(redis, sessionLists(query)))
  const page = await readPage(link, query, {
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

async function liftBlock(
  redis: Commands,
  user: string,
  args: readonly (string | number)[],
): Promise<boolean> {
  const tag = tagOf(user)
  const reply = await redis.run(LIFT_BLOCK, Object.values(userKeys(tag)), args)
  const [stood, place = ''] = texts.parse(reply)
  if (place !== '') await redis.run(DROP_BLOCK, [index.blocks, index.blockEnds], [tag, place])
  return stood === '1'
}

async function listAudit(link: Link, query: AuditQuery): ReturnType<Registry['listAudit']> {
  const { user, action } = query
  const all = action === undefined ? audit.byPlace : audit.ofAction(action)
  const paged = { ...query, order: 'desc' } as const
  return readPage(link, paged, {
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
