// Deletes what SQLite holds of a user.
import { mintCounter } from '../counters.ts'
import type { Registry } from '../port.ts'
import type { EraseOutcome, UserErase } from '../records.ts'
import type { Database, Sql } from './database.ts'

/** Two searches rather than an OR, which would keep SQLite from using the index to its end. */
const ENDED = `
  DELETE FROM sessions WHERE seq IN (
    SELECT seq FROM sessions WHERE user = ?1 AND expires_at <= ?2
    UNION ALL
    SELECT seq FROM sessions WHERE user = ?1 AND expires_at > ?2 AND +status IN ('cancelled', 'replaced')
    LIMIT ?3)`

const ENTRIES = `
  DELETE FROM audit WHERE seq IN (
    SELECT seq FROM audit WHERE user = ? AND +action <> ? LIMIT ?)`

/**
 * Forgets users. Uses and waiting cancels of a session go with it, by their foreign keys.
 *
 * @param db - the durable connection
 */
export function createErase(db: Database): Pick<Registry, 'eraseUser'> {
  return { eraseUser: (command) => db.write((sql) => eraseUser(sql, command)) }
}

function eraseUser(sql: Sql, command: UserErase): EraseOutcome {
  const { user, keptAction, limit, now } = command
  sql.run('DELETE FROM counters WHERE key = ?', mintCounter(user))
  const sessions = sql.run(ENDED, user, now, limit)
  const erased = sessions + sql.run(ENTRIES, user, keptAction, limit - sessions)
  return { erased, more: erased === limit }
}
