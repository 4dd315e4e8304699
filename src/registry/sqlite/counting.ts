// Counts uses of rate limits in SQLite, alone and together with the first step of a mint.

import type { Registry } from '../port.ts'
import type { Count, RateWindow } from '../records.ts'
import { type Database, readNumbers, type Sql } from './database.ts'
import { readStanding } from './sessions.ts'

/**
 * A window that was begun before the clock was set back ends one length from now. No `RETURNING`: for that, SQLite
 * makes a table, which takes longer than the rest and another statement together.
 */
const CONSUME = `
  INSERT INTO counters VALUES (?1, 1, ?2) ON CONFLICT (key) DO UPDATE SET
    used = CASE WHEN ends_ms <= ?3 THEN 1 ELSE used + 1 END,
    ends_ms = CASE WHEN ends_ms <= ?3 THEN ?2 ELSE min(ends_ms, ?2) END`
const COUNT = 'SELECT used, ends_ms FROM counters WHERE key = ?'

/** Key of the counter of a user's mints. */
export const mintCounter = (user: string): string => `mints:${user}`

/** Losing counts in a power failure does no harm, so these writes do not wait for the disk. */
export function createCounting(db: Database) {
  return {
    consume: (key, window) => db.writeUnsynced(consume, key, window),
    beginMint: (question, window) =>
      db.writeUnsynced((sql) => ({
        rate: consume(sql, mintCounter(question.user), window),
        standing: readStanding(sql, question),
      })),
  } satisfies Partial<Registry>
}

function consume(sql: Sql, key: string, { seconds, nowMs }: RateWindow): Count {
  sql(CONSUME).run(key, nowMs + seconds * 1000, nowMs)
  const [used = 0, endsMs = nowMs] = readNumbers(sql(COUNT), key)
  return { used, resetMs: endsMs - nowMs }
}
