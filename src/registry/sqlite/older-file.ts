// Reads the file of an older version without moving it to this one: that version could not open it any more.

import { DatabaseSync } from 'node:sqlite'
import { APPLICATION_ID, SCHEMA_VERSION } from './schema.ts'

/** How long it waits for another process that holds the lock, in milliseconds. */
const WAIT_MS = 5_000

/**
 * The signing keys and the like that an older file holds, by name; undefined when the file is not one of an older version.
 *
 * @throws SQLite's error when the file cannot be read: whoever opened it then might move it
 */
export function keysOfOlderFile(path: string): ReadonlyMap<string, Uint8Array> | undefined {
  // Not read-only: such a connection leaves the files of the log behind, which the service may not be able to write.
  const db = new DatabaseSync(path, { timeout: WAIT_MS })
  try {
    const { user_version: version } = db.prepare('PRAGMA user_version').get() ?? {}
    const { application_id: program } = db.prepare('PRAGMA application_id').get() ?? {}
    if (program !== APPLICATION_ID || Number(version) >= SCHEMA_VERSION) return undefined
    const rows = db.prepare('SELECT name, bytes FROM kept_keys').all()
    return new Map(rows.map(({ name, bytes }) => [String(name), bytes as Uint8Array]))
  } finally {
    db.close()
  }
}
