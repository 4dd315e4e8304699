// Records which user owns a thread or an attachment of a self-hosted server.
import { z } from 'zod'
import type { Registry } from '../port.ts'
import type { OwnedQuery, OwnedThing, Ownership } from '../records.ts'
import { toOwnership, userId } from '../rows.ts'
import { script } from './keys.ts'
import type { Link } from './link.ts'
import { pageScript, readPage } from './pages.ts'
import { countOrNone, flat, texts } from './replies.ts'

/** A thing is named by kind, workflow and id; a list of all workflows or users stands under ''. */
const LISTS = `
local function lists_of(thing, owned)
  local lists = {}
  for _, workflow in ipairs({ '', owned.workflow }) do
    for _, user in ipairs({ '', owned.user }) do
      lists[#lists + 1] = key('owned', owned.kind .. '\\n' .. workflow .. '\\n' .. user)
    end
  end
  return lists
end
`

/** ARGV: thing, then names and values of `kind`, `workflow`, `user` and the others → 1 when it is claimed now. */
const CLAIM = script(
  LISTS,
  `
local thing = ARGV[1]
if redis.call('EXISTS', key('owner', thing)) == 1 then return 0 end
local owned = {}
for at = 2, #ARGV, 2 do owned[ARGV[at]] = ARGV[at + 1] end
local seq = redis.call('INCR', key('seq'))
redis.call('HSET', key('owner', thing), 'seq', seq, unpack(ARGV, 2))
for _, list in ipairs(lists_of(thing, owned)) do redis.call('ZADD', list, seq, thing) end
redis.call('SADD', key('owned-workflows'), owned.workflow)
return 1`,
)

/** ARGV: thing. */
const RELEASE = script(
  LISTS,
  `
local thing = ARGV[1]
local kind, workflow, user = unpack(redis.call('HMGET', key('owner', thing), 'kind', 'workflow', 'user'))
if not kind then return end
local owned = { kind = kind, workflow = workflow, user = user }
for _, list in ipairs(lists_of(thing, owned)) do redis.call('ZREM', list, thing) end
redis.call('DEL', key('owner', thing))`,
)

/** ARGV: things… → their users, '' for none. */
const OWNERS_OF = script(`
local users = {}
for at, thing in ipairs(ARGV) do users[at] = redis.call('HGET', key('owner', thing), 'user') or '' end
return users`)

/** → names of workflows that had something owned. */
const WORKFLOWS = script(`return redis.call('SMEMBERS', key('owned-workflows'))`)

/** ARGV: user or '', things… → order of creation of the one that is this user's; '' for none or several. */
const SEQ_OF = script(`
local found = ''
for at = 2, #ARGV do
  local seq, user = unpack(redis.call('HMGET', key('owner', ARGV[at]), 'seq', 'user'))
  if seq and (ARGV[1] == '' or user == ARGV[1]) then
    if found ~= '' then return '' end
    found = seq
  end
end
return found`)

const PAGE = pageScript(`
local function item(thing) return redis.call('HGETALL', key('owner', thing)) end`)

type OwnershipSteps = Pick<
  Registry,
  'claimOwnership' | 'ownersOf' | 'listOwned' | 'releaseOwnership'
>

export function createOwnership(link: Link): OwnershipSteps {
  return {
    claimOwnership: (claim) =>
      link.run(CLAIM, [nameOf(claim), ...fieldsOf(claim)], (reply) =>
        reply === 1 ? 'claimed' : 'taken',
      ),
    async ownersOf(things) {
      if (things.length === 0) return []
      const users = z.array(z.union([z.literal('').transform(() => undefined), userId]))
      return link.run(OWNERS_OF, things.map(nameOf), (reply) => users.parse(reply))
    },
    releaseOwnership: (thing) => link.run(RELEASE, [nameOf(thing)], () => undefined),
    listOwned: (query) =>
      readPage(link, query, {
        set: ['owned', `${query.kind}\n${query.workflow ?? ''}\n${query.user ?? ''}`],
        script: PAGE,
        filters: [],
        seqOf: (cursor) => seqOf(link, cursor, query),
        toItem: toOwnership,
      }),
  }
}

function nameOf({ kind, workflow, id }: Readonly<Record<keyof OwnedThing, string>>): string {
  return `${kind}\n${workflow}\n${id}`
}

function fieldsOf({ kind, workflow, id, user, createdAt }: Ownership) {
  return flat({ kind, workflow, id, user, created_at: createdAt })
}

/** Without a workflow in the query, a cursor may be the id of something in any of them. */
async function seqOf(
  link: Link,
  id: string,
  { kind, workflow, user }: OwnedQuery,
): Promise<number | undefined> {
  const workflows =
    workflow === undefined
      ? await link.run(WORKFLOWS, [], (reply) => texts.parse(reply))
      : [workflow]
  const things = workflows.map((name) => nameOf({ kind, workflow: name, id }))
  return link.run(SEQ_OF, [user ?? '', ...things], (reply) => countOrNone.parse(reply))
}
