// Keeps and finds in Redis the users who have had a session.

import { z } from 'zod'
import { KEY_ISSUER } from '../identity.ts'
import {
  type Found,
  type KnownUser,
  matchingName,
  mergeFound,
  namesOf,
  SEEN_AGAIN_SECONDS,
  toKnownUser,
  toNames,
  type UserQuery,
} from '../known-users.ts'
import type { Registry } from '../port.ts'
import type { Page, SessionRecord } from '../records.ts'
import { text } from '../rows.ts'
import { script, USER } from './keys.ts'
import type { Link } from './link/link.ts'
import { pageScript, READ_HASH, readPage, seqIn } from './pages.ts'
import { row } from './replies.ts'

/**
 * Members of the set of names: a range of four digits, the name, a line feed, the user. Neither holds a
 * control character, so members are in the order of names, then of users. Range 0 has each user's first
 * name, range n + 1 the second names that share n units with the first.
 */
export const KNOWN = `
local function each_name(known, work)
  if not known[2] then return end
  work('0000' .. known[2] .. '\\n' .. known[1])
  if known[3] then work(string.format('%04d', known[4] + 1) .. known[3] .. '\\n' .. known[1]) end
end

local function forget_known(user)
  local names = redis.call('HMGET', key('known-user', user), 'name', 'other_name', 'shared')
  each_name({ user, unpack(names) }, function(member) redis.call('ZREM', key('user-names'), member) end)
  redis.call('ZREM', key('known-users'), user)
  redis.call('DEL', key('known-user', user))
end
`

/** Whether the issuer of a session is a backend's key. */
export const BY_KEY = `
local function by_key(issuer) return string.sub(issuer, 1, ${KEY_ISSUER.length}) == '${KEY_ISSUER}' end
`

/**
 * The end of the script that records a session: makes its user known, or notes that they were seen again. It needs the
 * script's `now`, `user`, `issuer`, `subject` and `seq`, {@link BY_KEY}, and {@link namesJson} as ARGV 6.
 */
export const SEE = `
local known_user = key('known-user', user)
local last_seen = redis.call('HGET', known_user, 'last_seen')
if not last_seen or now >= tonumber(last_seen) + ${SEEN_AGAIN_SECONDS} then
  ${KNOWN}
  local known_issuer, known_subject = unpack(redis.call('HMGET', known_user, 'issuer', 'subject'))
  if not last_seen or not by_key(issuer) and (known_issuer ~= issuer or known_subject ~= subject) then
    if last_seen then forget_known(user) end
    local names = cjson.decode(ARGV[6])
    local known = { user, names.name, names.other_name, names.shared }
    each_name(known, function(member) redis.call('ZADD', key('user-names'), 0, member) end)
    redis.call('ZADD', key('known-users'), seq, user)
    redis.call('HSET', known_user, 'user', user, 'issuer', issuer, 'subject', subject, 'last_seen', ARGV[1],
      'name', known[2], unpack(known[3] and { 'other_name', known[3], 'shared', known[4] } or {}))
  else
    redis.call('ZADD', key('known-users'), seq, user)
    redis.call('HSET', known_user, 'last_seen', ARGV[1])
  end
end
`

/** The names of a session's user, for {@link SEE}. */
export function namesJson({ user, subject }: SessionRecord): string {
  const { name, otherName, shared } = namesOf(user, subject)
  return JSON.stringify({ name, other_name: otherName, shared })
}

/** Lua that gives a user of the list as a row; nil for one who is not known. */
const FLAT_KNOWN = `
local function flat_known(user, now)
  local flat = redis.call('HGETALL', key('known-user', user))
  if #flat == 0 then return nil end
  local function add(name, value) flat[#flat + 1], flat[#flat + 2] = name, tostring(value) end
  add('live_sessions', redis.call('ZCOUNT', key('live', user), '(' .. now, '+inf'))
  local _, till = state_of(user, tonumber(now))
  if till then add('blocked_until', till) end
  return flat
end
`

/** Argument: now. */
const LAST_SEEN_FIRST = pageScript(
  USER,
  FLAT_KNOWN,
  'local function item(user) return flat_known(user, ARGV[8]) end',
)

/** ARGV: now, users → a row for each who is known. */
const READ_USERS = script(
  USER,
  FLAT_KNOWN,
  `
local rows = {}
for at = 2, #ARGV do rows[#rows + 1] = flat_known(ARGV[at], ARGV[1]) end
return rows`,
)

/**
 * ARGV: the beginning of names, where to begin or '', most of each range, UTF-16 units of the beginning → members of
 * each range that can hold it.
 */
const FIND_NAMES = script(`
local set, asked, start = key('user-names'), ARGV[1], ARGV[2]
local found, range = {}, '0000'
while tonumber(range) <= tonumber(ARGV[4]) do
  local from = start ~= '' and '(' .. range .. start or '[' .. range .. asked
  for _, member in ipairs(redis.call('ZRANGE', set, from, '+', 'BYLEX', 'LIMIT', 0, ARGV[3])) do
    if string.sub(member, 1, 4 + #asked) ~= range .. asked then break end
    found[#found + 1] = member
  end
  local next_range = string.format('%04d', tonumber(range) + 1)
  local further = redis.call('ZRANGE', set, '[' .. next_range, '+', 'BYLEX', 'LIMIT', 0, 1)[1]
  if not further then break end
  range = string.sub(further, 1, 4)
end
return found`)

/** ARGV: user → 1 or 0. */
const IS_KNOWN = script(USER, 'return is_known(ARGV[1])')

export function createKnownUsers(link: Link) {
  return {
    isKnown: (user) => link.run(IS_KNOWN, [user], (reply) => reply === 1),
    listUsers: ({ q, ...page }) =>
      q === undefined ? lastSeenFirst(link, page) : search(link, { q, ...page }),
  } satisfies Partial<Registry>
}

function lastSeenFirst(link: Link, { now, ...page }: UserQuery) {
  return readPage(
    link,
    { ...page, order: 'desc' },
    {
      set: ['known-users', ''],
      script: LAST_SEEN_FIRST,
      filters: [now],
      seqOf: seqIn(link, 'known-users'),
      toItem: toKnownUser,
    },
  )
}

/** A user who is forgotten between the two scripts is left out of the page. */
async function search(
  link: Link,
  { q, limit, now, after }: UserQuery & { readonly q: string },
): Promise<Page<KnownUser> | undefined> {
  const asked = q.toLowerCase()
  const start = after === undefined ? '' : await startOf(link, after, asked)
  if (start === undefined) return undefined
  const args = [asked, start, limit + 1, asked.length]
  const found = await link.run(FIND_NAMES, args, (reply) => z.array(text).parse(reply).map(toFound))
  const { data: users, hasMore } = mergeFound(found, limit)
  const rows = z.array(row.transform(toKnownUser))
  const data = await link.run(READ_USERS, [now, ...users], (reply) => rows.parse(reply))
  return { data, hasMore }
}

/** The end of the member by which a search finds the user; undefined when it does not. */
function startOf(link: Link, user: string, asked: string): Promise<string | undefined> {
  return link.run(READ_HASH, ['known-user', user], (reply) => {
    const fields = row.parse(reply)
    const name = 'user' in fields ? matchingName(toNames(fields), asked) : undefined
    return name === undefined ? undefined : `${name}\n${user}`
  })
}

function toFound(member: string): Found<string> {
  const end = member.indexOf('\n')
  const user = member.slice(end + 1)
  return { name: member.slice(4, end), user, value: user }
}
