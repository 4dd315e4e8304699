import { DatabaseSync } from 'node:sqlite'

/** Sessions for each user; a part of the text, because a bound number is a fraction for SQLite. */
const EACH = 5

/**
 * Adds live sessions of other users to the SQLite file of a registry in one transaction, because a commit for each of
 * a million would take an hour.
 *
 * @param now - when they begin, in Unix seconds
 */
export function fillSqlite(path: string, sessions: number, now: number): void {
  const db = new DatabaseSync(path)
  try {
    db.exec('PRAGMA synchronous = OFF; PRAGMA cache_size = -262144')
    db.prepare(`
      INSERT INTO sessions (id, user, workflow, issuer, subject, sid, secret_hash, status, end_reason,
        created_at, expires_at, ends_at)
      WITH RECURSIVE n(at) AS (SELECT 0 UNION ALL SELECT at + 1 FROM n WHERE at < :sessions - 1)
      SELECT 'other-' || at, 'other-' || (at / ${EACH}), 'support', 'https://login.acme.example/',
        'subject-' || (at / ${EACH}), NULL, hex(randomblob(32)), 'active', NULL,
        :now, :now + 86400, :now + 86400
      FROM n`).run({ sessions, now })
    db.prepare(
      'INSERT OR IGNORE INTO users (user, generation, changed_at) SELECT DISTINCT user, 1, ? FROM sessions',
    ).run(now)
    db.exec(`
      INSERT OR IGNORE INTO known_users (user, issuer, subject, last_seen, seq, name, other_name, shared)
        SELECT user, issuer, subject, created_at, max(seq), user, subject, 0 FROM sessions GROUP BY user`)
    db.exec('PRAGMA wal_checkpoint(TRUNCATE)')
  } finally {
    db.close()
  }
}
