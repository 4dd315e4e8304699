// Counts the uses of a session at the gateway, and finds out which open sessions have ended.
import { z } from 'zod'
import type { SessionId } from '../../lib/ids.ts'
import { type Registry, USE_WINDOW_MS } from '../port.ts'
import { toSession } from '../rows.ts'
import { SESSION, script, USER } from './keys.ts'
import type { Link } from './link.ts'
import { countText, row } from './replies.ts'

/**
 * ARGV: now in ms, id, user, uses per window, length of the window in ms.
 * → 'ok', the session and its user's generation, 'limited' and the end of the window, or 'ended'.
 */
const USE = script(
  ...[SESSION, USER],
  `
local now, id = tonumber(ARGV[1]), ARGV[2]
local session = read_session(id)
if not session or session.user ~= ARGV[3] or not is_live(session, now / 1000) then return { 'ended' } end
local used, ends = tonumber(session.uses or 0), tonumber(session.uses_end_ms or 0)
if ends <= now then used, ends = 0, now + tonumber(ARGV[5]) end
if used >= tonumber(ARGV[4]) then return { 'limited', ends } end
redis.call('HSET', key('session', id), 'uses', used + 1, 'uses_end_ms', ends)
return { 'ok', flat_session(id), (state_of(session.user, now / 1000)) }`,
)

/** ARGV: id and user in turn → the ids whose answers must not run on. */
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
    .tuple([z.literal('ok'), row.transform(toSession), countText])
    .transform(([kind, session, generation]) => ({ kind, session, generation })),
  z.tuple([z.literal('limited'), z.number()]).transform(([kind, endsMs]) => ({ kind, endsMs })),
  z.tuple([z.literal('ended')]).transform(([kind]) => ({ kind })),
])

export function createUses(link: Link): Pick<Registry, 'useSession' | 'endedAmong'> {
  return {
    useSession: ({ id, user, maxPerMinute, nowMs }) =>
      link.run(USE, [nowMs, id, user, maxPerMinute, USE_WINDOW_MS], (reply) => {
        const use = useReply.parse(reply)
        return use.kind === 'limited' ? { kind: use.kind, resetMs: use.endsMs - nowMs } : use
      }),
    async endedAmong(sessions) {
      if (sessions.length === 0) return []
      const keys = sessions.flatMap(({ id, user }) => [id, user])
      return link.run(
        ENDED_AMONG,
        keys,
        (reply) =>
          z.array(z.string().brand<'SessionId'>()).parse(reply) satisfies readonly SessionId[],
      )
    },
  }
}
