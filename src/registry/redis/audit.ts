// Adds entries to the audit in Redis, lists them, deletes old ones, and takes a user's name out of them.

import { z } from 'zod'
import { jsonOrUndefined } from '../../lib/json.ts'
import {
  type AuditEntry,
  type AuditFilter,
  erasedEntry,
  fromAuditEntry,
  isChained,
  toAuditEntry,
} from '../audit-entry.ts'
import { AUDIT_LATE_SECONDS, AUDIT_LOOKS, type Registry } from '../port.ts'
import { script } from './keys.ts'
import type { Link } from './link/link.ts'
import { pageScript, readPage, seqIn } from './pages.ts'
import { countOrNone } from './replies.ts'

const ENTRY = `
-- Nil when the entry is gone, as when Redis evicts keys.
local function read_entry(id)
  local json = redis.call('GET', key('audit-entry', id))
  return json and cjson.decode(json) or nil
end
local function forget_entry(entry)
  redis.call('ZREM', key('audit-of-action', entry.action), entry.id)
  redis.call('DEL', key('audit-entry', entry.id))
  for _, name in pairs({ entry.user, entry.actor }) do redis.call('ZREM', key('audit-of', name), entry.id) end
  redis.call('ZREM', key('audit'), entry.id)
end
`

/** Filter: JSON of the {@link AuditFilter}. */
const AUDIT = pageScript(`
local filter = cjson.decode(ARGV[8])
local since, till = filter.since, filter['until']
local function meets(field, entry) return not filter[field] or filter[field] == entry[field] end
local function item(id)
  local json = redis.call('GET', key('audit-entry', id))
  if not json then return end
  local entry = cjson.decode(json)
  if meets('user', entry) and meets('actor', entry) and meets('action', entry) and entry.action ~= filter.notAction
    and (not since or entry.at >= since) and (not till or entry.at < till) then return { 'json', json } end
end`)

/**
 * ARGV: a time or '', 'before' or 'from' → the seq of the nearest entry before that time, or from it on; '' where there
 * is none. It halves the order of writing: entries that were written late, or are gone, make the range that a list
 * reads wider, never too narrow.
 */
const SEEK = script(
  ENTRY,
  `
local at, size = tonumber(ARGV[1]), redis.call('ZCARD', key('audit'))
-- The last entry first: if it is earlier, those from the time on are of a clock that was ahead.
local low, high, middle = -1, size, size - 1
while at and high - low > 1 do
  local id = redis.call('ZRANGE', key('audit'), middle, middle)[1]
  local entry = read_entry(id)
  local earlier = ARGV[2] ~= 'before'
  if entry then earlier = entry.at < at end
  if earlier then low = middle else high = middle end
  middle = math.floor((low + high) / 2)
end
local rank = ARGV[2] == 'before' and low or high
if not at or rank < 0 or rank >= size then return '' end
return redis.call('ZRANGE', key('audit'), rank, rank, 'WITHSCORES')[2]`,
)

/** ARGV: id, action, user or '', actor or '' and JSON of each entry. Entries that are there already stay. */
const APPEND = script(`
local seq = tonumber(redis.call('GET', key('seq')) or 0)
local all, of_action = {}, {}
for at = 1, #ARGV, 5 do
  local id, action, user, actor, json = unpack(ARGV, at, at + 4)
  if redis.call('SET', key('audit-entry', id), json, 'NX') or not redis.call('ZSCORE', key('audit'), id) then
    seq = seq + 1
    local score, some = string.format('%d', seq), of_action[action] or {}
    of_action[action] = some
    some[#some + 1], some[#some + 2] = score, id
    all[#all + 1], all[#all + 2] = score, id
    if user ~= '' then redis.call('ZADD', key('audit-of', user), score, id) end
    if actor ~= '' and actor ~= user then redis.call('ZADD', key('audit-of', actor), score, id) end
  end
end
if #all == 0 then return end
redis.call('SET', key('seq'), all[#all - 1])
for action, added in pairs(of_action) do redis.call('ZADD', key('audit-of-action', action), unpack(added)) end
redis.call('ZADD', key('audit'), unpack(all))`)

/**
 * ARGV: before, how many at most, now → how many were deleted. It stops at the first entry that stays, in the order of
 * writing: each instance's chain loses only a beginning. An entry from the future, by a clock that was ahead, goes with
 * the next old one, because it was written before that. A whole batch of such entries stays, with all after it.
 */
export const SWEEP_AUDIT = script(
  ENTRY,
  `
local before, now = tonumber(ARGV[1]), tonumber(ARGV[3])
local gone, passed = 0, {}
for _, id in ipairs(redis.call('ZRANGE', key('audit'), 0, ARGV[2] - 1)) do
  local entry = read_entry(id)
  if entry and entry.at >= before and entry.at <= now then break end
  passed[#passed + 1] = entry
  if not entry then
    redis.call('ZREM', key('audit'), id)
    gone = gone + 1
  elseif entry.at < before then
    for _, old in ipairs(passed) do forget_entry(old) end
    gone, passed = gone + #passed, {}
  end
end
return gone`,
)

/**
 * ARGV: JSON of an entry and JSON to put in its place, '' for nothing, in turn → how many were there. Redis
 * has no SHA-256, so the digests are made here; an entry that was erased meanwhile is left alone.
 */
const ERASE = script(
  ENTRY,
  `
local changed = 0
for at = 1, #ARGV, 2 do
  local entry = cjson.decode(ARGV[at])
  if redis.call('GET', key('audit-entry', entry.id)) == ARGV[at] then
    changed = changed + 1
    if ARGV[at + 1] == '' then forget_entry(entry)
    else
      redis.call('SET', key('audit-entry', entry.id), ARGV[at + 1])
      local actor = cjson.decode(ARGV[at + 1]).actor
      for _, name in ipairs({ entry.user, entry.actor }) do
        if name ~= actor then redis.call('ZREM', key('audit-of', name), entry.id) end
      end
    end
  end
end
return changed`,
)

export function createAuditSteps(link: Link) {
  return {
    appendAudit: (entries) => link.run(APPEND, entries.flatMap(appendArgs), () => {}),
    async listAudit({ limit, after, ...filter }) {
      const [above, below] = await Promise.all([
        seek(link, filter.since, 'before'),
        seek(link, filter.until, 'from'),
      ])
      const listing = {
        ...listingOf(link, filter),
        toItem: ({ json = '' }: { readonly json?: string }) => entryIn(json),
        within: { above, below, looks: AUDIT_LOOKS },
      }
      return readPage(link, { limit, after, order: 'desc' }, listing)
    },
  } satisfies Partial<Registry>
}

/** @returns how many entries were looked at, and how many of them this call changed */
export async function eraseEntries(
  link: Link,
  user: string,
  limit: number,
): Promise<{ readonly found: number; readonly changed: number }> {
  const listing = {
    ...listingOf(link, { user, notAction: 'erase' }),
    toItem: ({ json = '' }: { readonly json?: string }) => json,
  }
  const page = limit > 0 ? await readPage(link, { limit, order: 'asc' }, listing) : undefined
  const found = page?.data ?? []
  const pairs = found.flatMap((json) => {
    const entry = entryIn(json)
    return [json, isChained(entry) ? entryJson(erasedEntry(entry)) : '']
  })
  const changed = await link.run(ERASE, pairs, (reply) => z.number().parse(reply))
  return { found: found.length, changed }
}

function listingOf(link: Link, filter: AuditFilter) {
  return {
    set: auditSet(filter),
    script: AUDIT,
    filters: [JSON.stringify(filter)],
    seqOf: seqIn(link, 'audit'),
  }
}

async function seek(link: Link, at: number | undefined, which: 'before' | 'from') {
  if (at === undefined) return undefined
  const late = which === 'before' ? -AUDIT_LATE_SECONDS : AUDIT_LATE_SECONDS
  return link.run(SEEK, [at + late, which], (reply) => countOrNone.parse(reply))
}

function appendArgs(entry: AuditEntry): readonly string[] {
  return [entry.id, entry.action, entry.user ?? '', entry.actor ?? '', entryJson(entry)]
}

function entryIn(json: string): AuditEntry {
  return toAuditEntry(Object(jsonOrUndefined(json)))
}

function entryJson(entry: AuditEntry): string {
  return JSON.stringify(fromAuditEntry(entry))
}

/** The set that holds all that the query asks for and is probably the shortest. */
function auditSet({ user, actor, action }: AuditFilter): readonly [string, string] {
  const name = user ?? actor
  if (name !== undefined) return ['audit-of', name]
  return action === undefined ? ['audit', ''] : ['audit-of-action', action]
}
