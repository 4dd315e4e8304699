import { DatabaseSync } from 'node:sqlite'
import { eachBounded } from '../../src/lib/each-bounded.ts'
import type { Registry } from '../../src/registry/port.ts'
import { entry, NOW } from '../contracts/registry-fixtures.ts'

/** Sessions per other user. */
const EACH = 5

/**
 * Puts live sessions of other users on the books, through the registry itself.
 *
 * @param registry - to fill
 * @param sessions - how many
 */
export async function fill(registry: Registry, sessions: number): Promise<void> {
  const numbers = Array.from({ length: sessions }, (_, at) => at)
  await eachBounded(numbers, 50, async (at) => {
    const other = Math.floor(at / EACH)
    const of = { id: `other-${at}`, user: `other-${other}`, subject: `subject-${other}` }
    await registry.record(entry({ ...of, expiresAt: NOW + 86_400 }))
  })
}

/**
 * The same in one transaction: a commit for each would take longer than the test.
 *
 * @param path - of a SQLite file that a registry has made
 * @param sessions - how many
 */
export function fillSqlite(path: string, sessions: number): void {
  const db = new DatabaseSync(path)
  try {
    db.exec('PRAGMA synchronous = OFF')
    db.prepare(`
      INSERT INTO sessions (id, user, workflow, issuer, subject, sid, secret_hash, status, end_reason,
        created_at, expires_at, ends_at)
      WITH RECURSIVE n(at) AS (SELECT 0 UNION ALL SELECT at + 1 FROM n WHERE at < :sessions - 1)
      SELECT 'other-' || at, 'other-' || (at / :each), 'support', 'https://idp.example/',
        'subject-' || (at / :each), NULL, hex(randomblob(32)), 'active', NULL,
        :now, :now + 86400, :now + 86400
      FROM n`).run({ sessions, each: EACH, now: NOW })
    db.prepare('INSERT OR IGNORE INTO users SELECT DISTINCT user, 1, ? FROM sessions').run(NOW)
    db.exec('PRAGMA wal_checkpoint(TRUNCATE)')
  } finally {
    db.close()
  }
}
