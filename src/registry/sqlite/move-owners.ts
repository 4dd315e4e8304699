// Moves ownership records that were made under the name of a workflow to the name of its server.
import type { DatabaseSync } from 'node:sqlite'

/** Records made under the name of this workflow now belong to this source. */
export interface OwnersMove {
  readonly workflow: string
  readonly source: string
}

/** The schema's mark of a record that still has the name of a workflow. */
const MARK = '\n'

/** Deletes the later record of a thing that has one under both names: `?1` from, `?2` to. */
const DROP_LATER = `
  DELETE FROM owned AS later WHERE source IN (?1, ?2) AND EXISTS (
    SELECT 1 FROM owned AS first WHERE first.id = later.id AND first.kind = later.kind
      AND first.source IN (?1, ?2) AND first.seq < later.seq)`

/**
 * Moves records in the caller's transaction, at every start; moved records have no mark and are not found
 * again. Records of a workflow that is not among the moves keep their mark.
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
