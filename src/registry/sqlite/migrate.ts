// Brings the SQLite file of an older version to the schema in schema.ts.

import { DatabaseSync } from 'node:sqlite'
import { namesOf } from '../known-users.ts'

/** Columns that an older table lacks, from its other columns. A further column gets its default. */
const FILLED: Readonly<Record<string, string>> = {
  // Only start-up knows the source of a workflow (move-owners.ts). Until then a line feed, which no source has, marks the
  // workflow's name.
  'owned.source': 'char(10) || workflow',
  'session_uses.kind': `'run'`,
}

/** Fills tables that an older file lacks. */
const FIRST_ROWS: Readonly<Record<string, string>> = {
  known_users: `
    INSERT INTO known_users (user, issuer, subject, last_seen, seq, name, other_name, shared)
    SELECT user, issuer, subject, created_at, seq, names ->> 0, names ->> 1, names ->> 2
    FROM (SELECT user, issuer, subject, created_at, max(seq) AS seq,
        names_of(user, subject) AS names FROM sessions GROUP BY user)`,
}

/**
 * Makes each table and index anew that differs from the schema, and copies the rows of such a table: columns of one
 * name are the same column. Call it in a transaction, without foreign keys: a table that is dropped would take the rows
 * that refer to it along.
 */
export function changeSchema(db: DatabaseSync, schema: string): void {
  // SQLite's own `lower` knows ASCII only.
  db.function('names_of', { deterministic: true }, (user, subject) => {
    const { name, otherName, shared } = namesOf(String(user), String(subject))
    return JSON.stringify([name, otherName, shared])
  })
  const wanted = new DatabaseSync(':memory:')
  wanted.exec(schema)
  const [known, indexes] = [objectsIn(db, 'table'), objectsIn(wanted, 'index')]
  for (const [name, text] of objectsIn(db, 'index')) {
    if (bare(indexes.get(name)) !== bare(text)) db.exec(`DROP INDEX ${name}`)
  }
  for (const [name, text] of objectsIn(wanted, 'table')) {
    if (!known.has(name)) db.exec(`${text}; ${FIRST_ROWS[name] ?? ''}`)
    else if (bare(known.get(name)) !== bare(text))
      remake(db, { name, text, columns: columnsIn(wanted, name) })
  }
  for (const [name, text] of indexes) {
    if (!objectsIn(db, 'index').has(name)) db.exec(text)
  }
  wanted.close()
}

/** `seq` goes on where it was, even if the newest rows are gone: `users.ended_upto` refers to it. */
function remake(
  db: DatabaseSync,
  { name, text, columns }: { name: string; text: string; columns: readonly string[] },
): void {
  const known = columnsIn(db, name)
  const from = columns.flatMap((column) => {
    const value = known.includes(column) ? column : FILLED[`${name}.${column}`]
    return value === undefined ? [] : [[column, value] as const]
  })
  db.exec(`
    ${text.replace(name, `new_${name}`)};
    INSERT INTO new_${name} (${from.map(([to]) => to)})
      SELECT ${from.map(([, value]) => value)} FROM ${name};
    DELETE FROM sqlite_sequence WHERE name = 'new_${name}';
    UPDATE sqlite_sequence SET name = 'new_${name}' WHERE name = '${name}';
    DROP TABLE ${name};
    ALTER TABLE new_${name} RENAME TO ${name};`)
}

/** Tables or indexes by name, with their text. */
function objectsIn(db: DatabaseSync, type: 'table' | 'index'): ReadonlyMap<string, string> {
  const made = `SELECT name, sql FROM sqlite_schema WHERE type = ? AND name NOT LIKE 'sqlite_%'`
  const rows = db.prepare(made).all(type)
  return new Map(rows.map(({ name, sql }) => [String(name), String(sql)]))
}

/** Without comments, without space, and without the quotes that a renamed table has. */
function bare(text: string | undefined): string | undefined {
  return text?.replaceAll(/--.*|[\s"]/g, '')
}

function columnsIn(db: DatabaseSync, table: string): readonly string[] {
  const rows = db.prepare('SELECT name FROM pragma_table_info(?)').all(table)
  return rows.map(({ name }) => String(name))
}
