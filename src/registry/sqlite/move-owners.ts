// Moves ownership records that were made under the name of a workflow to the name of its server.
import type { DatabaseSync } from 'node:sqlite'

/** The workflow under whose name records were made, and the source that they belong to now. */
export interface OwnersMove {
  readonly workflow: string
  readonly source: string
}

/** The schema's mark of a record that still has the name of a workflow. */
const MARK = '\n'

/** Of a thing that both have, the record that was made later goes: `?1` from, `?2` to. */
const DROP_LATER = `
  DELETE FROM owned AS later WHERE source IN (?1, ?2) AND EXISTS (
    SELECT 1 FROM owned AS first WHERE first.id = later.id AND first.kind = later.kind
      AND first.source IN (?1, ?2) AND first.seq < later.seq)`

/**
 * Runs in the caller's transaction, at every start: what has been moved is not found again. Records of a
 * workflow that is not among the moves keep their mark until it is.
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
