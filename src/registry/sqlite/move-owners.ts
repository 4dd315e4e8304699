// Moves ownership records from the name of a workflow to the name of its server.

import type { DatabaseSync } from 'node:sqlite'

/** Moves the records of this workflow to this source. */
export interface OwnersMove {
  readonly workflow: string
  readonly source: string
}

/** The migration puts this mark on records that still have the name of a workflow. */
const MARK = '\n'

/** Deletes the later record of a thing that has one under both names: `?1` from, `?2` to. */
const DROP_LATER = `
  DELETE FROM owned AS later WHERE source IN (?1, ?2) AND EXISTS (
    SELECT 1 FROM owned AS first WHERE first.id = later.id AND first.kind = later.kind
      AND first.source IN (?1, ?2) AND first.seq < later.seq)`

/**
 * Moves records in the caller's transaction, at every start. Moved records have no mark and are not moved
 * again; records of a workflow that is not among the moves keep theirs.
 */
export function moveOwners(db: DatabaseSync, moves: readonly OwnersMove[]): void {
  const known = db.prepare('SELECT 1 FROM owned WHERE source = ? LIMIT 1')
  const move = db.prepare('UPDATE owned SET source = ?2 WHERE source = ?1')
  const drop = db.prepare(DROP_LATER)
  for (const { workflow, source } of moves) {
    const from = MARK + workflow
    if (known.get(from) === undefined) continue
    drop.run(from, source)
    move.run(from, source)
  }
}
