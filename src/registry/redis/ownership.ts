// Records which user owns a thread or an attachment of a self-hosted server.
import { z } from 'zod'
import type { Registry } from '../port.ts'
import type { OwnedQuery, Ownership, Page } from '../records.ts'
import { afterwards } from './afterwards.ts'
import { script } from './client.ts'
import { index, owned } from './keys.ts'
import type { Commands, Link } from './link.ts'
import { readPage } from './pages.ts'
import { type PlacedOwnership, texts, toOwned } from './rows.ts'

type OwnershipSteps = Pick<
  Registry,
  'claimOwnership' | 'ownersOf' | 'listOwned' | 'releaseOwnership'
>

/** How many members one repair names. */
const REPAIRED = 1_000

const maybeText = z.string().nullable()
const placeReply = z.string().regex(/^\d+$/)

/**
 * Who owns what at self-hosted servers. The record of a thing alone decides; the lists are written
 * before it, and what they name in vain is passed over by all readers and removed by the next one.
 *
 * @param link - to Redis
 */
export function createOwnership(link: Link): OwnershipSteps {
  return {
    claimOwnership: (claim) => claimOwnership(link, claim),
    ownersOf: (things) =>
      link.call(async (redis) => {
        const found = await Promise.all(things.map((thing) => read(redis, owned.hashOf(thing))))
        return found.map((one) => one?.ownership.user)
      }),
    listOwned: (query) => listOwned(link, query),
    async releaseOwnership(thing) {
      const hash = owned.hashOf(thing)
      const key = owned.record(hash)
      const json = await link.call((redis) => redis.send(key, 'GETDEL', key))
      if (json !== null) await unlist(link, hash, toOwned(z.string().parse(json)))
    },
  }
}

async function claimOwnership(link: Link, claim: Ownership): Promise<'claimed' | 'taken'> {
  const { workflow, kind, id, user, createdAt } = claim
  const hash = owned.hashOf(claim)
  const key = owned.record(hash)
  const own = { workflow, kind, id, user, createdAt }
  const refused = await link.call(async (redis) => {
    // Spares the lists the entries of a claim that cannot succeed.
    if ((await redis.send(key, 'EXISTS', key)) === 1) return 'taken'
    const keys = [index.place, owned.young, owned.workflows, ...listsOf(claim)]
    const place = Number(placeReply.parse(await redis.run(LIST_OWNED, keys, [hash, workflow])))
    const made = { place, ownership: own }
    const set = await redis.send(key, 'SET', key, JSON.stringify(made), 'NX')
    return set === null ? made : undefined
  })
  if (refused === undefined) return 'claimed'
  if (refused !== 'taken') await unlist(link, hash, refused)
  return 'taken'
}

async function unlist(link: Link, hash: string, gone: PlacedOwnership): Promise<void> {
  const keys = [owned.young, ...listsOf(gone.ownership)]
  await afterwards(link, (redis) => redis.run(UNLIST_OWNED, keys, [`${hash}:${gone.place}`]))
}

async function listOwned(link: Link, query: OwnedQuery): Promise<Page<Ownership> | undefined> {
  const key = owned.list(query.kind, query.workflow, query.user)
  const vain: string[] = []
  const page = await readPage(link, query, {
    key,
    placeOf: (redis, cursor) => placeOf(redis, cursor, query),
    async fetch(redis, members) {
      const found = await Promise.all(members.map((member) => readMember(redis, member)))
      vain.push(...members.filter((_, at) => found[at] === undefined))
      return found.filter((one) => one !== undefined)
    },
  })
  for (let from = 0; from < vain.length; from += REPAIRED) {
    const some = vain.slice(from, from + REPAIRED)
    await afterwards(link, (redis) => redis.run(REPAIR_OWNED, [owned.young, key], some))
  }
  return page
}

/** Order of creation of the entry that a cursor names; undefined when several workflows have that id. */
async function placeOf(
  redis: Commands,
  id: string,
  { kind, workflow, user }: OwnedQuery,
): Promise<number | undefined> {
  const workflows = workflow === undefined ? await knownWorkflows(redis) : [workflow]
  const found = await Promise.all(
    workflows.map((name) => read(redis, owned.hashOf({ workflow: name, kind, id }))),
  )
  const listed = found.filter((one) => one !== undefined)
  const [first, second] = listed.filter(
    ({ ownership }) => user === undefined || ownership.user === user,
  )
  return second === undefined ? first?.place : undefined
}

async function knownWorkflows(redis: Commands): Promise<readonly string[]> {
  return texts.parse(await redis.send(owned.workflows, 'SMEMBERS', owned.workflows))
}

async function read(redis: Commands, hash: string): Promise<PlacedOwnership | undefined> {
  const key = owned.record(hash)
  const json = maybeText.parse(await redis.send(key, 'GET', key))
  return json === null ? undefined : toOwned(json)
}

/** What a member names: the record that its own claim made, if that claim succeeded. */
async function readMember(redis: Commands, member: string): Promise<Ownership | undefined> {
  const [hash = '', place] = member.split(':')
  const found = await read(redis, hash)
  return String(found?.place) === place ? found?.ownership : undefined
}

/** The four lists that a thing is on. */
function listsOf({ kind, workflow, user }: Ownership): readonly string[] {
  return [
    owned.list(kind, undefined, undefined),
    owned.list(kind, workflow, undefined),
    owned.list(kind, undefined, user),
    owned.list(kind, workflow, user),
  ]
}

// Scripts on the lists of what is owned, which all lie in one slot. A member is put on the lists before
// its record is made and stays there until after the record is gone.

/** Longer than a step that Redis executes late, after a hang, can take. */
const YOUNG_SECONDS = 900
/** How many old notes a claim clears away: more than it makes, and no more than it can afford. */
const CLEARED = 16

/**
 * KEYS: place, young, workflows, lists…. ARGV: hash of the thing, its workflow → its place.
 */
const LIST_OWNED = script(`
local place = string.format('%.0f', redis.call('INCR', KEYS[1]))
local member, now = ARGV[1] .. ':' .. place, tonumber(redis.call('TIME')[1])
local old = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now - ${YOUNG_SECONDS}, 'LIMIT', 0, ${CLEARED})
if #old > 0 then redis.call('ZREM', KEYS[2], unpack(old)) end
redis.call('ZADD', KEYS[2], now, member)
redis.call('EXPIRE', KEYS[2], ${2 * YOUNG_SECONDS})
redis.call('SADD', KEYS[3], ARGV[2])
for at = 4, #KEYS do redis.call('ZADD', KEYS[at], place, member) end
return place`)

/** KEYS: young, lists…. ARGV: member: its claim was refused, or its record is gone. */
const UNLIST_OWNED = script(`
for _, key in ipairs(KEYS) do redis.call('ZREM', key, ARGV[1]) end
return ''`)

/** KEYS: young, one list. ARGV: members without a record: goes what no claim can be making. */
const REPAIR_OWNED = script(`
local before = tonumber(redis.call('TIME')[1]) - ${YOUNG_SECONDS}
for _, member in ipairs(ARGV) do
  local since = redis.call('ZSCORE', KEYS[1], member)
  if not since or tonumber(since) <= before then redis.call('ZREM', KEYS[2], member) end
end
return ''`)
