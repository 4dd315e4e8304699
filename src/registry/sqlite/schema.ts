// Tables and indexes of the SQLite database, as migrations.
import { FIRST_MIGRATIONS } from './first-migrations.ts'

/** `CKMT` in the file's header, so that another program's database is never taken for ours. */
export const APPLICATION_ID = 0x434b4d54

/**
 * One entry per version of the schema: entry n leads from `user_version` n to n + 1. An entry that
 * has been released is never changed.
 *
 * `seq` is the rowid, so rows that are equal in an index's columns stand in it in the order of creation.
 * Every index on random values costs a page of the write-ahead log per session, so there are no more
 * than the steps need.
 */
export const MIGRATIONS: readonly string[] = [
  ...FIRST_MIGRATIONS,
  `
  ALTER TABLE sessions ADD COLUMN asked TEXT;
  `,
  // The audit is chained per instance; older entries have no chain. An erased actor is the empty text, since
  // a NOT NULL cannot be taken back.
  `
  ALTER TABLE audit ADD COLUMN instance TEXT;
  ALTER TABLE audit ADD COLUMN chain_seq INTEGER;
  ALTER TABLE audit ADD COLUMN prev TEXT;
  ALTER TABLE audit ADD COLUMN salt TEXT;
  ALTER TABLE audit ADD COLUMN by_user INTEGER;
  ALTER TABLE audit ADD COLUMN erased TEXT;
  CREATE INDEX audit_actor ON audit (actor);
  `,
  // `seq` is that of the user's last session that was noted, and only a session that is noted changes it.
  // `name` and `other_name` are user and subject in lower case, in the order of their bytes.
  `
  CREATE TABLE known_users (
    user TEXT NOT NULL UNIQUE,
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL,
    last_seen INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    name TEXT NOT NULL,
    other_name TEXT,
    shared INTEGER
  ) STRICT;
  CREATE INDEX known_users_seq ON known_users (seq);
  CREATE INDEX known_users_name ON known_users (name, user);
  CREATE INDEX known_users_other ON known_users (shared, other_name, user) WHERE shared IS NOT NULL;
  INSERT INTO known_users (user, issuer, subject, last_seen, seq, name, other_name, shared)
    SELECT user, issuer, subject, created_at, seq, names ->> 0, names ->> 1, names ->> 2
    FROM (SELECT user, issuer, subject, created_at, max(seq) AS seq,
        names_of(user, subject) AS names FROM sessions GROUP BY user);
  `,
  // For receipts: when a session ended, whether the upstream confirmed it, and who ended it.
  `
  ALTER TABLE sessions ADD COLUMN ended_at INTEGER;
  ALTER TABLE sessions ADD COLUMN confirmed_at INTEGER;
  ALTER TABLE sessions ADD COLUMN ended_by TEXT;
  `,
]

/** A write that changes nothing anyone reads. */
export const HEALTH_WRITE =
  'INSERT INTO health VALUES (1, 1) ON CONFLICT (one) DO UPDATE SET writes = writes + 1'
