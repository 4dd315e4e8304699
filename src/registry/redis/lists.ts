// Reads lists of sessions and blocks, and single sessions, from Redis.

import type { Registry } from '../port.ts'
import { type SessionQuery, toBlock } from '../records.ts'
import type { Link } from './link/link.ts'
import { pageScript, READ_HASH, readPage, seqIn } from './pages.ts'
import { sessionOrNone, toStoredSession } from './replies.ts'
import { FLAT_BLOCK } from './revoke.ts'

/** Filters: now, user, workflow, issuer, subject, status; '' for any. It reads few fields of a session that does not match. */
const SESSIONS = pageScript(`
local now, user, workflow, issuer, subject, status = tonumber(ARGV[8]), unpack(ARGV, 9, 13)
local by_minted = workflow ~= '' or issuer ~= '' or subject ~= ''
local function item(id)
  local hash = key('session', id)
  local of, is, expires_at, minted = unpack(redis.call('HMGET', hash, 'user', 'status', 'expires_at', 'minted'))
  if not of then return end
  if is == 'active' and tonumber(expires_at) <= now then is = 'expired' end
  if user ~= '' and user ~= of or status ~= '' and status ~= is then return end
  local known = by_minted and cjson.decode(minted)
  if known and (workflow ~= '' and workflow ~= known.workflow or issuer ~= '' and issuer ~= known.issuer
    or subject ~= '' and subject ~= known.subject) then return end
  return redis.call('HGETALL', hash)
end`)

/** Filter: now. */
const BLOCKS = pageScript(
  FLAT_BLOCK,
  `
local function item(user)
  local flat = flat_block(user)
  return tonumber(flat[4] or 0) > tonumber(ARGV[8]) and flat or nil
end`,
)

export function createLists(link: Link) {
  return {
    getSession: (id) => link.run(READ_HASH, ['session', id], (reply) => sessionOrNone.parse(reply)),
    listSessions: (query) =>
      readPage(link, query, {
        set: sessionSet(query),
        script: SESSIONS,
        filters: sessionFilters(query),
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

function sessionFilters(query: SessionQuery) {
  const { now, user, workflow, issuer, subject, status } = query
  return [now, ...[user, workflow, issuer, subject, status].map((value) => value ?? '')]
}
