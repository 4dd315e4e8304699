// Reads lists of sessions and blocks, and single sessions, from Redis.

import type { Registry } from '../port.ts'
import { type SessionQuery, toBlock } from '../records.ts'
import type { Link } from './link/link.ts'
import { pageScript, READ_HASH, readPage, seqIn } from './pages.ts'
import { sessionOrNone, toStoredSession } from './replies.ts'
import { FLAT_BLOCK } from './revoke.ts'

/** Filter: JSON of the query. It reads few fields of a session that does not match. */
const SESSIONS = pageScript(`
local query = cjson.decode(ARGV[8])
local by_minted = query.workflow or query.issuer or query.subject
local function differs(wanted, found) return wanted and wanted ~= found end
local function item(id)
  local hash = key('session', id)
  local of, is, expires_at, minted = unpack(redis.call('HMGET', hash, 'user', 'status', 'expires_at', 'minted'))
  if not of then return end
  if is == 'active' and tonumber(expires_at) <= query.now then is = 'expired' end
  if differs(query.user, of) or differs(query.status, is) then return end
  local known = by_minted and cjson.decode(minted)
  if known and (differs(query.workflow, known.workflow) or differs(query.issuer, known.issuer)
    or differs(query.subject, known.subject)) then return end
  return redis.call('HGETALL', hash)
end`)

/** Filter: now. */
const BLOCKS = pageScript(
  FLAT_BLOCK,
  'local function item(user) return flat_block(user, ARGV[8]) end',
)

export function createLists(link: Link) {
  return {
    getSession: (id) => link.run(READ_HASH, ['session', id], (reply) => sessionOrNone.parse(reply)),
    listSessions: (query) =>
      readPage(link, query, {
        set: sessionSet(query),
        script: SESSIONS,
        filters: [JSON.stringify(query)],
        seqOf: seqIn(link, 'sessions'),
        toItem: toStoredSession,
      }),
    listBlocks: (query) =>
      readPage(link, query, {
        set: ['blocks', ''],
        script: BLOCKS,
        filters: [query.now],
        seqOf: seqIn(link, 'blocks'),
        toItem: toBlock,
      }),
  } satisfies Partial<Registry>
}

/** The set that holds all that the query asks for and is probably the shortest. */
function sessionSet({ user, subject, status, workflow }: SessionQuery): readonly [string, string] {
  if (user !== undefined) return ['of-user', user]
  if (subject !== undefined) return ['of-subject', subject]
  if (status !== undefined && status !== 'active' && status !== 'expired') return ['ended', '']
  return workflow === undefined ? ['sessions', ''] : ['of-workflow', workflow]
}
