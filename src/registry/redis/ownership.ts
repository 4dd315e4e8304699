// Records in Redis which user owns a thread or an attachment of a self-hosted server.

import { z } from 'zod'
import { type OwnedThing, type Ownership, toOwnership } from '../owned-records.ts'
import type { Registry } from '../port.ts'
import { userId } from '../rows.ts'
import { script } from './keys.ts'
import type { Link } from './link/link.ts'
import { pageScript, readPage } from './pages.ts'
import { countOrNone, flat } from './replies.ts'

/** Names the lists of a thing. `thing` is its kind, source and id; '' stands for all sources or all users. */
const LISTS = `
local function lists_of(thing, owned)
  local lists = {}
  for _, source in ipairs({ '', owned.source }) do
    for _, user in ipairs({ '', owned.user }) do
      lists[#lists + 1] = key('owned', owned.kind .. '\\n' .. source .. '\\n' .. user)
    end
  end
  return lists
end
`

/** ARGV: thing, then names and values of its fields → 1 when it is claimed now. */
const CLAIM = script(
  LISTS,
  `
local thing = ARGV[1]
if redis.call('EXISTS', key('owner', thing)) == 1 then return 0 end
local owned = {}
for at = 2, #ARGV, 2 do owned[ARGV[at]] = ARGV[at + 1] end
local seq = redis.call('INCR', key('seq'))
for _, list in ipairs(lists_of(thing, owned)) do redis.call('ZADD', list, seq, thing) end
redis.call('SADD', key('owned-sources'), owned.source)
redis.call('HSET', key('owner', thing), 'seq', seq, unpack(ARGV, 2))
return 1`,
)

/** ARGV: thing, user. */
const RELEASE = script(
  LISTS,
  `
local thing, releasing = unpack(ARGV)
local kind, source, user = unpack(redis.call('HMGET', key('owner', thing), 'kind', 'source', 'user'))
if not kind or user ~= releasing then return end
local owned = { kind = kind, source = source, user = user }
for _, list in ipairs(lists_of(thing, owned)) do redis.call('ZREM', list, thing) end
redis.call('DEL', key('owner', thing))`,
)

/** ARGV: things… → their users, '' for none. */
const OWNERS_OF = script(`
local users = {}
for at, thing in ipairs(ARGV) do users[at] = redis.call('HGET', key('owner', thing), 'user') or '' end
return users`)

/**
 * ARGV: kind, id, source or '' for any, user or '' for any → seq of the one thing that matches; '' for
 * none, or for several, which only different sources can have.
 */
const SEQ_OF = script(`
local kind, id, source, wanted = unpack(ARGV)
local found = ''
for _, one in ipairs(source ~= '' and { source } or redis.call('SMEMBERS', key('owned-sources'))) do
  local thing = kind .. '\\n' .. one .. '\\n' .. id
  local seq, user = unpack(redis.call('HMGET', key('owner', thing), 'seq', 'user'))
  if seq and (wanted == '' or user == wanted) then
    if found ~= '' then return '' end
    found = seq
  end
end
return found`)

/** Leaves out a thing whose record is gone, as when Redis evicts keys. */
const PAGE = pageScript(`
local function item(thing)
  local flat = redis.call('HGETALL', key('owner', thing))
  return #flat > 0 and flat or nil
end`)

export function createOwnership(link: Link) {
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
    releaseOwnership: (thing) => link.run(RELEASE, [nameOf(thing), thing.user], () => undefined),
    listOwned: ({ kind, source = '', user = '', ...page }) =>
      readPage(link, page, {
        set: ['owned', `${kind}\n${source}\n${user}`],
        script: PAGE,
        filters: [],
        seqOf: (cursor) =>
          link.run(SEQ_OF, [kind, cursor, source, user], (reply) => countOrNone.parse(reply)),
        toItem: toOwnership,
      }),
  } satisfies Partial<Registry>
}

function nameOf({ kind, source, id }: Readonly<Record<keyof OwnedThing, string>>): string {
  return `${kind}\n${source}\n${id}`
}

function fieldsOf({ kind, source, id, user, createdAt }: Ownership) {
  return flat({ kind, source, id, user, created_at: createdAt })
}
