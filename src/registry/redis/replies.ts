// Reads the replies of scripts: texts, and rows that come as a list of names and values in turn.

import { z } from 'zod'
import { jsonOrUndefined } from '../../lib/json.ts'
import { type SessionRecord, toSession } from '../records.ts'
import { text } from '../rows.ts'

export const texts = z.array(text)
export const countText = z.string().regex(/^\d+$/).transform(Number)

/** A number, or nothing. */
export const countOrNone = z.union([z.literal('').transform(() => undefined), countText])

/** A row as scripts return it: a list of name, value, name, value. */
export const row = texts.transform((flat) => {
  const record: Record<string, string> = {}
  for (let at = 1; at < flat.length; at += 2) record[flat[at - 1] ?? ''] = flat[at] ?? ''
  return record
})

/** The parts of a session that never change and that few steps read: its field `minted`. */
export function mintedJson(session: SessionRecord): string {
  const { id, workflow, issuer, subject, sid, secretHash, createdAt, asked } = session
  const state = session.state && JSON.stringify(session.state)
  const names = { secret_hash: secretHash, created_at: createdAt, state, asked }
  return JSON.stringify({ id, workflow, issuer, subject, sid, ...names })
}

/** The inverse of {@link mintedJson}, with the session's other fields. */
export function toStoredSession({ minted = '', ...fields }: Readonly<Record<string, string>>) {
  return toSession({ ...Object(jsonOrUndefined(minted)), ...fields })
}

export const session = row.transform(toStoredSession)
export const sessions = z.array(session)

/** A session; undefined for an empty row. */
export const sessionOrNone = row.transform((fields) =>
  'seq' in fields ? toStoredSession(fields) : undefined,
)
