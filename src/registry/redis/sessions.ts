import { z } from 'zod'
import { ServiceError } from '../../lib/errors.ts'
import { FIRST_LEASE_MS, type Registry } from '../port.ts'
import type { NewEntry, RecordOutcome, RevokeOrder, RevokeOutcome } from '../records.ts'
import { afterwards } from './afterwards.ts'
import { readGuard } from './guard.ts'
import { ARM_SESSION, ARM_USER, INDEX_SESSION } from './index-scripts.ts'
import { hashOf, index, sessionIndex, tagOf, userKeys, usersOfKey } from './keys.ts'
import type { Commands, Link } from './link.ts'
import { fromRow, identityHashes, type PlacedSession, texts, toRow } from './rows.ts'
import { BEGIN_CANCEL, RECORD, REVOKE } from './user-scripts.ts'

type SessionSteps = Pick<Registry, 'readGuard' | 'record' | 'revoke' | 'beginCancel'>

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
    readGuard: (question) => link.call((redis) => readGuard(redis, question)),
    record: (entry) => record(link, entry),
    revoke: (order) => revoke(link, order),
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

async function record(link: Link, entry: NewEntry): Promise<RecordOutcome> {
  const [kind, ...rows] = await link.call(async (redis) => {
    const first = await recordOnce(redis, entry, entry.replaces !== undefined)
    return first[0] === 'arm' ? recordOnce(redis, entry, true) : first
  })
  if (kind === 'blocked' || kind === 'full') return { kind }
  if (kind === 'taken') throw idIsTaken()
  if (kind !== 'recorded') throw new TypeError('no answer of ours to a record')
  const ended = rows.map(fromRow)
  await noteEnded(link, ended)
  return { kind, ended: ended.map((one) => one.record) }
}

/** `armed`: the due list is told first, because the step will end other sessions. */
async function recordOnce(
  redis: Commands,
  entry: NewEntry,
  armed: boolean,
): Promise<readonly string[]> {
  const { session, now, cap } = entry
  const place = await indexSession(redis, entry, armed)
  const args = [now, entry.generation, session.id, toRow(session, place), place]
  const more = [session.expiresAt, session.secretHash, cap.max, cap.whenFull, entry.replaces ?? '']
  const last = [dueAt(now), armed ? '1' : '', keptFor(session.expiresAt, now)]
  const keys = Object.values(userKeys(tagOf(session.user)))
  return texts.parse(await redis.run(RECORD, keys, [...args, ...more, ...last]))
}

async function indexSession(redis: Commands, entry: NewEntry, armed: boolean): Promise<string> {
  const { session, now } = entry
  const tag = tagOf(session.user)
  const { pair, sid, issuer } = identityHashes(session)
  const hashes = [tag, hashOf(session.workflow), issuer, hashOf(session.subject), pair]
  const fields = ['user', 'workflow', 'issuer', 'subject', 'pair'] as const
  const lists = fields.map((field, at) => sessionIndex(field, hashes[at]))
  const sets = [usersOfKey('subject', pair), ...(sid === '' ? [] : [usersOfKey('sid', sid)])]
  const keys = [index.due, index.armed, index.place, index.sessions, index.ends]
  const due = dueAt(now)
  const place = await redis.run(
    INDEX_SESSION,
    [...keys, sessionIndex('all'), ...lists, ...sets],
    [
      ...[session.id, tag, hashes.join(' '), session.expiresAt, now, JSON.stringify(session.user)],
      ...[sets.length, armed ? due : '', due + ARMED_MS],
    ],
  )
  if (place === '') throw idIsTaken()
  return String(count.parse(place))
}

async function revoke(link: Link, order: RevokeOrder): Promise<RevokeOutcome> {
  const tag = tagOf(order.user)
  const { place, reply } = await link.call((redis) => revokeUser(redis, tag, order))
  const [blockedUntil, standing, ...rows] = revokeReply.parse(reply)
  const sessions = rows.map(fromRow).sort((a, b) => a.place - b.place)
  await afterwards(link, async (redis) => {
    if (standing === undefined || place === '' || String(standing) === place) return
    await redis.send(index.blocks, 'ZADD', index.blocks, String(standing), tag)
  })
  await noteEnded(link, sessions)
  return { cancelling: sessions.map((one) => one.record), blockedUntil }
}

async function revokeUser(redis: Commands, tag: string, order: RevokeOrder) {
  const { user, identity, block, now } = order
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
    ...[now, order.endReason, issuer, pair, sid, block?.until ?? '', String(place), json, due],
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

function dueAt(now: number): number {
  return now * 1000 + FIRST_LEASE_MS
}

function keptFor(until: number, now: number): number {
  return Math.max(0, until - now) + KEPT_SECONDS
}

function idIsTaken(): ServiceError {
  return new ServiceError('internal_error', { reason: 'session id is taken by another session' })
}
