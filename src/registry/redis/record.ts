import { z } from 'zod'
import { ServiceError } from '../../lib/errors.ts'
import type { NewEntry, RecordOutcome } from '../records.ts'
import { hashOf, index, remembering, sessionIndex, tagOf, userKeys, usersOfKey } from './keys.ts'
import type { Commands, Link } from './link.ts'
import { INDEX_AND_RECORD, INDEX_SESSION, RECORD } from './record-scripts.ts'
import { fromRow, identityHashes, texts, toRow } from './rows.ts'
import { ARMED_MS, dueAt, keptFor, noteEnded } from './sessions.ts'

const place = z.string().regex(/^\d*$/)

/** What a session is found by, as its user, workflow, issuer, subject and `sid` make it. */
const wayTo = remembering(
  (user: string, workflow: string, issuer: string, subject: string, sid: string | undefined) => {
    const hashes = identityHashes({ issuer, subject, sid })
    const tag = tagOf(user)
    const of = [tag, hashOf(workflow), hashes.issuer, hashOf(subject), hashes.pair]
    const fields = ['user', 'workflow', 'issuer', 'subject', 'pair'] as const
    const indexKeys = [
      ...[index.due, index.armed, index.place, index.sessions, index.ends],
      ...[sessionIndex('all'), ...fields.map((field, at) => sessionIndex(field, of[at]))],
      usersOfKey('subject', hashes.pair),
      ...(hashes.sid === '' ? [] : [usersOfKey('sid', hashes.sid)]),
    ]
    const ownKeys = Object.values(userKeys(tag))
    const known = [of.join(' '), JSON.stringify(user)]
    return { hashes, ownKeys, indexKeys, allKeys: [...ownKeys, ...indexKeys], known }
  },
)

/**
 * Puts a session on the books.
 *
 * @param link - to Redis
 * @param entry - the session
 */
export async function record(link: Link, entry: NewEntry): Promise<RecordOutcome> {
  const [kind, ...rows] = await link.call(async (redis) => {
    const first = await recordOnce(redis, entry, entry.replaces !== undefined)
    return first[0] === 'arm' ? recordOnce(redis, entry, true) : first
  })
  if (kind === 'blocked' || kind === 'full') return { kind }
  if (kind === 'taken') {
    throw new ServiceError('internal_error', { reason: 'session id is taken by another session' })
  }
  if (kind !== 'recorded') throw new TypeError('no answer of ours to a record')
  const ended = rows.map(fromRow)
  await noteEnded(link, ended)
  return { kind, ended: ended.map((one) => one.record) }
}

/**
 * Where one command can, it does both steps.
 *
 * @param armed - whether the due list is told first, because the step will end other sessions
 */
async function recordOnce(
  redis: Commands,
  entry: NewEntry,
  armed: boolean,
): Promise<readonly string[]> {
  const { session, now, cap } = entry
  const { user, workflow, issuer, subject, sid } = session
  const { hashes, ownKeys, indexKeys, allKeys, known } = wayTo(user, workflow, issuer, subject, sid)
  const due = dueAt(now)
  const which = [now, session.id, session.expiresAt, due, armed ? due + ARMED_MS : '']
  const what = [
    ...which,
    ...[entry.generation, session.secretHash, ...toRow(session, hashes)],
    ...[cap.max, cap.whenFull, entry.replaces ?? '', keptFor(session.expiresAt, now)],
  ]
  if (redis.acrossSlots) {
    return texts.parse(await redis.run(INDEX_AND_RECORD, allKeys, [...what, ...known]))
  }
  const found = place.parse(await redis.run(INDEX_SESSION, indexKeys, [...which, ...known]))
  if (found === '') return ['taken']
  return texts.parse(await redis.run(RECORD, ownKeys, [...what, found]))
}
