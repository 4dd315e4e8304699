// Checks and counts requests with a self-hosted session in Redis, and finds sessions whose answers must end.

import { z } from 'zod'
import { READS_PER_RUN, type Registry, USE_WINDOW_MS } from '../port.ts'
import { text } from '../rows.ts'
import { SESSION, script, USER } from './keys.ts'
import type { Link } from './link/link.ts'
import { countText, session } from './replies.ts'

/**
 * ARGV: now in ms, id, user, 'run', 'read' or 'nothing', length of the window in ms, most runs and most
 * reads in a window.
 * → 'ok', the session and its user's generation, 'limited' and the end of the window, or 'ended'.
 */
const USE = script(
  SESSION,
  USER,
  `
local now, id = tonumber(ARGV[1]), ARGV[2]
local session = read_session(id)
if not session or session.user ~= ARGV[3] or not is_live(session, now / 1000) then return { 'ended' } end
-- An instance whose clock is ahead may have revoked this session after it had expired there: it stays ended.
local generation, _, ended_upto = state_of(session.user, now / 1000)
if session.end_reason or tonumber(session.seq) <= ended_upto then return { 'ended' } end
local function window(field, max)
  local used, ends = tonumber(session[field] or 0), tonumber(session[field .. '_end_ms'] or 0)
  local latest = now + tonumber(ARGV[5])
  if ends <= now then used, ends = 0, latest end
  -- The clock was set back: the window ends one length from now.
  if ends > latest then
    ends = latest
    redis.call('HSET', key('session', id), field .. '_end_ms', ends)
  end
  return { field = field, used = used, ends = ends, full = used >= tonumber(max) }
end
local runs, reads = window('uses', ARGV[6]), window('reads', ARGV[7])
if ARGV[4] == 'nothing' then
  if runs.full and reads.full then return { 'limited', math.min(runs.ends, reads.ends) } end
else
  local asked = ARGV[4] == 'run' and runs or reads
  if asked.full then return { 'limited', asked.ends } end
  local field = asked.field
  redis.call('HSET', key('session', id), field, asked.used + 1, field .. '_end_ms', asked.ends)
end
return { 'ok', flat_session(id), generation }`,
)

/** ARGV: id and user in turn → the ids of sessions whose answers must end. */
const ENDED_AMONG = script(`
local function runs_on(id, asked)
  local user, status, reason, seq =
    unpack(redis.call('HMGET', key('session', id), 'user', 'status', 'end_reason', 'seq'))
  if user ~= asked then return false end
  if reason and not (status == 'replaced' and reason == 'replaced') then return false end
  return tonumber(seq) > tonumber(redis.call('HGET', key('user', user), 'ended_upto') or 0)
end
local ended = {}
for at = 1, #ARGV, 2 do
  if not runs_on(ARGV[at], ARGV[at + 1]) then ended[#ended + 1] = ARGV[at] end
end
return ended`)

const useReply = z.union([
  z
    .tuple([z.literal('ok'), session, countText])
    .transform(([kind, used, generation]) => ({ kind, session: used, generation })),
  z.tuple([z.literal('limited'), z.number()]).transform(([kind, endsMs]) => ({ kind, endsMs })),
  z.tuple([z.literal('ended')]).transform(([kind]) => ({ kind })),
])

const ids = z.array(text.brand<'SessionId'>())

export function createUses(link: Link) {
  return {
    useSession({ id, user, maxPerMinute: max, counts, nowMs }) {
      const args = [nowMs, id, user, counts, USE_WINDOW_MS, max, READS_PER_RUN * max]
      return link.run(USE, args, (reply) => {
        const use = useReply.parse(reply)
        return use.kind === 'limited' ? { kind: use.kind, resetMs: use.endsMs - nowMs } : use
      })
    },
    endedAmong(sessions) {
      const keys = sessions.flatMap(({ id, user }) => [id, user])
      return link.run(ENDED_AMONG, keys, (reply) => ids.parse(reply))
    },
  } satisfies Partial<Registry>
}
