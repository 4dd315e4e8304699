// Records in Redis which user owns a thread or an attachment of a self-hosted server.

import { z } from 'zod'
import { toOwnership } from '../owned-records.ts'
import type { Registry } from '../port.ts'
import { userId } from '../rows.ts'
import { script } from './keys.ts'
import type { Link } from './link/link.ts'
import { pageScript, readPage } from './pages.ts'
import { countOrNone } from './replies.ts'

/** ARGV: kind, source, id and user. Names the thing and its lists: '' stands for all sources or all users. */
const THING = `
local kind, source, id, user = unpack(ARGV)
local thing, lists = kind .. '\\n' .. source .. '\\n' .. id, {}
for _, of_source in ipairs({ '', source }) do
  for _, of_user in ipairs({ '', user }) do
    lists[#lists + 1] = key('owned', kind .. '\\n' .. of_source .. '\\n' .. of_user)
  end
end
`

/** Then ARGV has the time. → 1 when the thing is claimed now. */
const CLAIM = script(
  THING,
  `
if redis.call('EXISTS', key('owner', thing)) == 1 then return 0 end
local seq = redis.call('INCR', key('seq'))
for _, list in ipairs(lists) do redis.call('ZADD', list, seq, thing) end
redis.call('SADD', key('owned-sources'), source)
redis.call('HSET', key('owner', thing), 'seq', seq, 'kind', kind, 'source', source, 'id', id, 'user', user,
  'created_at', ARGV[5])
return 1`,
)

const RELEASE = script(
  THING,
  `
if redis.call('HGET', key('owner', thing), 'user') ~= user then return end
for _, list in ipairs(lists) do redis.call('ZREM', list, thing) end
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
    claimOwnership: ({ kind, source, id, user, createdAt }) =>
      link.run(CLAIM, [kind, source, id, user, createdAt], (reply) =>
        reply === 1 ? 'claimed' : 'taken',
      ),
    async ownersOf(things) {
      if (things.length === 0) return []
      const users = z.array(z.union([z.literal('').transform(() => undefined), userId]))
      const names = things.map(({ kind, source, id }) => `${kind}\n${source}\n${id}`)
      return link.run(OWNERS_OF, names, (reply) => users.parse(reply))
    },
    releaseOwnership: ({ kind, source, id, user }) =>
      link.run(RELEASE, [kind, source, id, user], () => undefined),
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
