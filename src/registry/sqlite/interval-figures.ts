// Adds up and reads the figures of all instances by interval, in SQLite.

import { jsonOrUndefined } from '../../lib/json.ts'
import {
  INTERVALS,
  type IntervalFields,
  intervalFields,
  intervalFieldsOf,
  KEPT_SECONDS,
  toIntervalFigures,
} from '../interval-figures.ts'
import type { Registry } from '../port.ts'
import type { Database, ResultRow } from './database.ts'

const READ_ONE = 'SELECT fields FROM interval_figures WHERE seconds = ? AND at = ?'
const PUT = 'INSERT OR REPLACE INTO interval_figures (seconds, at, fields) VALUES (?, ?, ?)'
const FORGET = 'DELETE FROM interval_figures WHERE seconds = ? AND at < ?'
const READ = `
  SELECT at, fields FROM interval_figures WHERE seconds = ? AND at >= ? AND at < ? ORDER BY at`

/** Losing figures in a power failure does no harm, so these writes do not wait for the disk. */
export function createIntervalFigures(db: Database) {
  return {
    addFigures: ({ instance, at, ...counted }) => {
      const { set, added } = intervalFieldsOf(instance, counted)
      return db.writeUnsynced((sql) => {
        for (const seconds of INTERVALS) {
          const start = at - (at % seconds)
          const known = fieldsIn(sql(READ_ONE).get(seconds, start))
          if (seconds === 60 && `by ${instance}` in known) return
          sql(PUT).run(seconds, start, JSON.stringify({ ...sum(known, added), ...set }))
          sql(FORGET).run(seconds, start - KEPT_SECONDS[seconds])
        }
      })
    },
    readFigures: ({ seconds, from, until }) =>
      db.plain((sql) =>
        sql(READ)
          .all(seconds, from, until)
          .map((row) => toIntervalFigures(Number(row['at']), fieldsIn(row))),
      ),
  } satisfies Partial<Registry>
}

function fieldsIn(row: ResultRow | undefined): IntervalFields {
  return row === undefined ? {} : intervalFields.parse(jsonOrUndefined(String(row['fields'])))
}

function sum(one: IntervalFields, other: IntervalFields): IntervalFields {
  const entries = Object.entries(other).map(([name, value]) => [name, value + (one[name] ?? 0)])
  return { ...one, ...Object.fromEntries(entries) }
}
