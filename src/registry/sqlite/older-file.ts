// Reads the file of an older version without moving it to this one: that version could not open it any more.

import { DatabaseSync } from 'node:sqlite'
import { MIGRATIONS } from './migrations.ts'
import { APPLICATION_ID } from './schema.ts'

/** The signing keys and the like that an older file holds, by name; undefined when the file is not one of an older version. */
export function keysOfOlderFile(path: string): ReadonlyMap<string, Uint8Array> | undefined {
  let db: DatabaseSync | undefined
  try {
    // Not read-only: such a connection leaves the files of the log behind, which the service may not be able to write.
    db = new DatabaseSync(path)
    const { user_version: version } = db.prepare('PRAGMA user_version').get() ?? {}
    const { application_id: program } = db.prepare('PRAGMA application_id').get() ?? {}
    if (program !== APPLICATION_ID || Number(version) >= MIGRATIONS.length) return undefined
    const rows = db.prepare('SELECT name, bytes FROM kept_keys').all()
    return new Map(rows.map(({ name, bytes }) => [String(name), bytes as Uint8Array]))
  } catch {
    // The caller opens the file then, and reports the fault.
    return undefined
  } finally {
    db?.close()
  }
}
