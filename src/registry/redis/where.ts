// Finds the user and the stored rows of given session ids.
import { index, userKeys } from './keys.ts'
import type { Commands } from './link.ts'
import { fromRow, maybeTexts, type PlacedSession } from './rows.ts'

/** What the index knows of a session id. */
export interface Located {
  readonly tag: string
  readonly place: number
  /** Of user, workflow, issuer, subject, and issuer with subject. */
  readonly hashes: readonly string[]
}

/**
 * Looks session ids up in the index; what it names may never have come to be.
 *
 * @param redis - commands of the call
 * @param ids - any number
 * @returns in the order of the ids
 */
export async function locate(
  redis: Commands,
  ids: readonly string[],
): Promise<readonly (Located | undefined)[]> {
  if (ids.length === 0) return []
  const known = await redis.send(index.sessions, 'HMGET', index.sessions, ...ids)
  return maybeTexts.parse(known).map((value) => {
    if (value === null) return undefined
    const [tag = '', place, ...hashes] = value.split(' ')
    return { tag, place: Number(place), hashes }
  })
}

/**
 * Session ids by the tag of their user; unknown ones are left out.
 *
 * @param redis - commands of the call
 * @param ids - any number
 */
export async function tagsOf(
  redis: Commands,
  ids: readonly string[],
): Promise<ReadonlyMap<string, string[]>> {
  const byTag = new Map<string, string[]>()
  for (const [at, located] of (await locate(redis, ids)).entries()) {
    if (located === undefined) continue
    const own = byTag.get(located.tag) ?? []
    own.push(ids[at] ?? '')
    byTag.set(located.tag, own)
  }
  return byTag
}

/**
 * The sessions with these ids, as far as they exist, in the order of the ids.
 *
 * @param redis - commands of the call
 * @param ids - any number
 */
export async function fetchSessions(
  redis: Commands,
  ids: readonly string[],
): Promise<readonly PlacedSession[]> {
  const byTag = await tagsOf(redis, ids)
  const found = new Map<string, PlacedSession>()
  await Promise.all(
    [...byTag].map(async ([tag, own]) => {
      const key = userKeys(tag).rows
      const rows = maybeTexts.parse(await redis.send(key, 'HMGET', key, ...own))
      for (const row of rows) {
        if (row === null) continue
        const session = fromRow(row)
        found.set(session.record.id, session)
      }
    }),
  )
  return ids.map((id) => found.get(id)).filter((one) => one !== undefined)
}
