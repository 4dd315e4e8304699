// Ends sessions: a revoke of users, and the cancel of a single session.
import { z } from 'zod'
import { FIRST_LEASE_MS, type Registry } from '../port.ts'
import type { RevokeOutcome, UserRevoke } from '../records.ts'
import { afterwards } from './afterwards.ts'
import { ARM_SESSION, ARM_USER } from './index-scripts.ts'
import { index, tagOf, userKeys } from './keys.ts'
import type { Commands, Link } from './link.ts'
import { fromRow, identityHashes, type PlacedSession } from './rows.ts'
import { readStanding } from './standing.ts'
import { BEGIN_CANCEL, REVOKE } from './user-scripts.ts'

type SessionSteps = Pick<Registry, 'readStanding' | 'revoke' | 'beginCancel'>

/**
 * How long a user stays on the due list though nothing is found there: longer than any session
 * lives, so that a step that Redis executes late, after a hang, is found too.
 */
export const ARMED_MS = 900_000
/** The sweep removes what has ended; this is for what no sweep sees. */
const KEPT_SECONDS = 40 * 86_400

const count = z.string().regex(/^\d+$/).transform(Number)
const countOrNone = z.union([z.literal('').transform(() => undefined), count])
const revokeReply = z.tuple([countOrNone, countOrNone]).rest(z.string())

/**
 * The steps on one user: first the global indexes, then one script on the user's own keys, which
 * alone decides. What the indexes name and the script refused is passed over by all readers.
 *
 * @param link - to Redis
 */
export function createSessionSteps(link: Link): SessionSteps {
  return {
    readStanding: (question) => link.call((redis) => readStanding(redis, question)),
    revoke: (command) => revoke(link, command),
    async beginCancel(id, now) {
      const session = await link.call((redis) => beginCancel(redis, id, now))
      if (session?.record.status === 'cancelling') await noteEnded(link, [session])
      return session?.record
    },
  }
}

async function beginCancel(
  redis: Commands,
  id: string,
  now: number,
): Promise<PlacedSession | undefined> {
  const due = dueAt(now)
  const tag = await armSession(redis, id, due)
  if (tag === undefined) return undefined
  const args = [now, id, 'cancelled', due]
  const row = await redis.run(BEGIN_CANCEL, Object.values(userKeys(tag)), args)
  return row === '' ? undefined : fromRow(row)
}

async function revoke(link: Link, command: UserRevoke): Promise<RevokeOutcome> {
  const tag = tagOf(command.user)
  const { place, reply } = await link.call((redis) => revokeUser(redis, tag, command))
  const [blockedUntil, standing, ...rows] = revokeReply.parse(reply)
  const sessions = rows.map(fromRow).sort((a, b) => a.place - b.place)
  await afterwards(link, async (redis) => {
    if (standing === undefined || place === '' || String(standing) === place) return
    await redis.send(index.blocks, 'ZADD', index.blocks, String(standing), tag)
  })
  await noteEnded(link, sessions)
  return { cancelling: sessions.map((one) => one.record), blockedUntil }
}

async function revokeUser(redis: Commands, tag: string, command: UserRevoke) {
  const { user, identity, block, now } = command
  const due = dueAt(now)
  const blocks = [index.blocks, index.blockEnds]
  const place = await redis.run(
    ARM_USER,
    [index.due, index.armed, index.place, ...blocks],
    [tag, due, due + ARMED_MS, block?.until ?? ''],
  )
  const { issuer, pair, sid } = identity
    ? identityHashes(identity)
    : { issuer: '', pair: '', sid: '' }
  const json = block === undefined ? '' : JSON.stringify({ user, ...block, createdAt: now })
  const reply = await redis.run(REVOKE, Object.values(userKeys(tag)), [
    ...[now, command.endReason, issuer, pair, sid, block?.until ?? '', String(place), json, due],
    keptFor(block?.until ?? now, now),
  ])
  return { place, reply }
}

/**
 * Puts a session's user on the due list.
 *
 * @param redis - commands of the call
 * @param id - of the session
 * @param due - when to look, in milliseconds
 * @returns the user's tag; undefined when the id is not known
 */
export async function armSession(
  redis: Commands,
  id: string,
  due: number,
): Promise<string | undefined> {
  const keys = [index.due, index.armed, index.sessions]
  const known = await redis.run(ARM_SESSION, keys, [id, due, due + ARMED_MS])
  return z.string().parse(known).split(' ')[0] || undefined
}

/**
 * Notes sessions whose cancel has begun, for listing by status. A claim notes them again, so that
 * one that fails here is made good.
 *
 * @param link - to Redis
 * @param sessions - any number
 */
export async function noteEnded(link: Link, sessions: readonly PlacedSession[]): Promise<void> {
  for (let from = 0; from < sessions.length; from += 1000) {
    const some = sessions.slice(from, from + 1000)
    const args = some.flatMap(({ place, record }) => [String(place), record.id])
    await afterwards(link, (redis) => redis.send(index.ended, 'ZADD', index.ended, ...args))
  }
}

/**
 * When a cancel that a step makes is due, in milliseconds: its writer itself tries first.
 *
 * @param now - Unix seconds
 */
export function dueAt(now: number): number {
  return now * 1000 + FIRST_LEASE_MS
}

/**
 * How long the keys of a user are kept at least, in seconds.
 *
 * @param until - the end of what they hold
 * @param now - Unix seconds
 */
export function keptFor(until: number, now: number): number {
  return Math.max(0, until - now) + KEPT_SECONDS
}
