import { DatabaseSync } from 'node:sqlite'
import { createClient } from '@redis/client'
import { NOW, session } from '../contracts/registry-fixtures.ts'

// Users `u_<n>` with subjects `user_<n>` and one live session each, written as the stores keep them: a
// million mints would take an hour. A test compares what a page of theirs takes with a page of minted ones.

const { issuer, expiresAt } = session({ id: '' })

/** @param path - of a SQLite file that a registry has made */
export function fillUsersOfSqlite(path: string, users: number): void {
  const db = new DatabaseSync(path)
  try {
    db.exec('PRAGMA synchronous = OFF; PRAGMA cache_size = -262144; BEGIN')
    db.prepare(`
      INSERT INTO sessions (id, user, workflow, issuer, subject, secret_hash, status, created_at, expires_at,
        ends_at)
      WITH RECURSIVE n(at) AS (SELECT 0 UNION ALL SELECT at + 1 FROM n WHERE at < :users - 1)
      SELECT format('s%06d', at), format('u_%06d', at), 'support', :issuer, format('user_%06d', at),
        hex(randomblob(32)), 'active', :now, :expiresAt, :expiresAt
      FROM n`).run({ users, issuer, now: NOW, expiresAt })
    db.exec(`
      INSERT INTO known_users (user, issuer, subject, last_seen, seq, name, other_name, shared)
        SELECT user, issuer, subject, created_at, seq, user, subject, 1 FROM sessions;
      COMMIT;
      PRAGMA wal_checkpoint(TRUNCATE)`)
  } finally {
    db.close()
  }
}

const FILL = `
for at = tonumber(ARGV[1]), tonumber(ARGV[2]) - 1 do
  local number = string.format('%06d', at)
  local user, subject = 'u_' .. number, 'user_' .. number
  redis.call('HSET', KEYS[1] .. ':known-user:' .. user, 'user', user, 'issuer', ARGV[3], 'subject', subject,
    'last_seen', ARGV[4], 'name', user, 'other_name', subject, 'shared', 1)
  redis.call('ZADD', KEYS[1] .. ':known-users', at + 1, user)
  redis.call('ZADD', KEYS[1] .. ':user-names', 0, '0000' .. user .. '\\n' .. user, 0, '0002' .. subject .. '\\n' .. user)
  redis.call('ZADD', KEYS[1] .. ':live:' .. user, ARGV[5], 's' .. number)
end`

/** Users of one script: it stays well below the time after which Redis calls a script slow. */
const TOGETHER = 10_000

export async function fillUsersOfRedis(url: string, users: number): Promise<void> {
  const client = await createClient({ url }).connect()
  try {
    for (let from = 0; from < users; from += TOGETHER) {
      const given = [from, Math.min(users, from + TOGETHER), issuer, NOW, expiresAt].map(String)
      await client.eval(FILL, { keys: ['{ckm}'], arguments: given })
    }
  } finally {
    client.destroy()
  }
}
