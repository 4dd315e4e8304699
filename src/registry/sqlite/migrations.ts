// The steps that bring the SQLite file of an older version to the schema in schema.ts.

/**
 * Entry n leads from `user_version` n + 1 to n + 2. A released entry is never changed, because files of every
 * version must still open. Each entry's changes are made in `SCHEMA` too; a test compares the two.
 */
export const MIGRATIONS: readonly string[] = [
  `
  ALTER TABLE sessions ADD COLUMN state TEXT;

  CREATE TABLE session_uses (
    id TEXT PRIMARY KEY REFERENCES sessions (id) ON DELETE CASCADE,
    used INTEGER NOT NULL,
    ends_ms INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE owned (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    workflow TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('thread', 'attachment')),
    id TEXT NOT NULL,
    user TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    UNIQUE (id, kind, workflow)
  ) STRICT;
  CREATE INDEX owned_kind ON owned (kind);
  CREATE INDEX owned_workflow ON owned (workflow, kind);
  CREATE INDEX owned_user ON owned (user, kind);
  CREATE INDEX owned_user_workflow ON owned (user, workflow, kind);
  `,
  // One index serves a user's sessions and their secrets; values that nearly all sessions share have no index.
  // Each index dropped here saves a tenth of the cost of a new session.
  `
  DROP INDEX sessions_user;
  DROP INDEX sessions_secret;
  DROP INDEX sessions_live;
  DROP INDEX sessions_status;
  CREATE INDEX sessions_user ON sessions (user, expires_at, status, secret_hash);
  CREATE INDEX sessions_ended ON sessions (status) WHERE status <> 'active';
  `,
  // Ownership belongs to a server, not to a workflow. A migration does not know the config, so it marks the
  // records that start-up has to move to a source with a line feed, which no source has. Sessions get the
  // status `replaced`: a CHECK cannot be changed, so the table is made anew. Tables that refer to it are made
  // anew first, because dropping `sessions` would delete their rows. Uses get a window per kind.
  `
  ALTER TABLE owned RENAME COLUMN workflow TO source;
  UPDATE owned SET source = char(10) || source;
  DROP INDEX owned_workflow;
  DROP INDEX owned_user_workflow;
  CREATE INDEX owned_source ON owned (source, kind);
  CREATE INDEX owned_user_source ON owned (user, source, kind);

  CREATE TABLE new_sessions (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    user TEXT NOT NULL,
    workflow TEXT NOT NULL,
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL,
    sid TEXT,
    secret_hash TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('active', 'replaced', 'cancelling', 'cancelled')),
    end_reason TEXT,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    ends_at INTEGER NOT NULL,
    state TEXT
  ) STRICT;
  INSERT INTO new_sessions SELECT * FROM sessions;

  CREATE TABLE new_outbox (
    id TEXT PRIMARY KEY REFERENCES new_sessions (id) ON DELETE CASCADE,
    due_ms INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  INSERT INTO new_outbox SELECT * FROM outbox;

  CREATE TABLE new_session_uses (
    id TEXT NOT NULL REFERENCES new_sessions (id) ON DELETE CASCADE,
    kind TEXT NOT NULL CHECK (kind IN ('run', 'read')),
    used INTEGER NOT NULL,
    ends_ms INTEGER NOT NULL,
    PRIMARY KEY (id, kind)
  ) STRICT, WITHOUT ROWID;
  INSERT INTO new_session_uses SELECT id, 'run', used, ends_ms FROM session_uses;

  DROP TABLE outbox;
  DROP TABLE session_uses;
  DROP TABLE sessions;
  ALTER TABLE new_sessions RENAME TO sessions;
  ALTER TABLE new_outbox RENAME TO outbox;
  ALTER TABLE new_session_uses RENAME TO session_uses;

  CREATE INDEX sessions_user ON sessions (user, expires_at, status, secret_hash);
  CREATE INDEX sessions_subject ON sessions (subject, issuer);
  CREATE INDEX sessions_sid ON sessions (sid, issuer) WHERE sid IS NOT NULL;
  CREATE INDEX sessions_workflow ON sessions (workflow);
  CREATE INDEX sessions_ended ON sessions (status) WHERE status <> 'active';
  CREATE INDEX sessions_ends ON sessions (ends_at);
  CREATE INDEX outbox_due ON outbox (due_ms);

  ALTER TABLE users ADD COLUMN ended_upto INTEGER NOT NULL DEFAULT 0;
  `,
  `
  ALTER TABLE sessions ADD COLUMN asked TEXT;
  `,
  // The audit is chained per instance; older entries have no chain. An erased actor is the empty text, because
  // a NOT NULL constraint cannot be dropped.
  `
  ALTER TABLE audit ADD COLUMN instance TEXT;
  ALTER TABLE audit ADD COLUMN chain_seq INTEGER;
  ALTER TABLE audit ADD COLUMN prev TEXT;
  ALTER TABLE audit ADD COLUMN salt TEXT;
  ALTER TABLE audit ADD COLUMN by_user INTEGER;
  ALTER TABLE audit ADD COLUMN erased TEXT;
  CREATE INDEX audit_actor ON audit (actor);
  `,
  // `seq` is that of the last session that updated the user's record; most sessions leave the record as it is.
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
  // The counts of all instances in an interval of `seconds`, which begins at `at`.
  `
  CREATE TABLE interval_figures (
    seconds INTEGER NOT NULL,
    at INTEGER NOT NULL,
    fields TEXT NOT NULL,
    PRIMARY KEY (seconds, at)
  ) STRICT, WITHOUT ROWID;
  `,
  // No mint writes an index of window ends any more, nor one of substitutes for a `sid` (identity.ts).
  `
  DROP INDEX counters_ends;
  DROP INDEX sessions_sid;
  CREATE INDEX sessions_sid ON sessions (sid, issuer) WHERE sid >= ' ';
  `,
]

/** The `user_version` of a file with the schema in schema.ts. */
export const NEWEST_VERSION = MIGRATIONS.length + 1
