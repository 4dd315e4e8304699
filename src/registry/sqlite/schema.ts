// Tables and indexes of the SQLite database.

/** `CKMT` in the file's header, so that the database of another program is never mistaken for ours. */
export const APPLICATION_ID = 0x434b4d54

/** The `user_version` of a file with this schema: each change of the schema raises it. */
export const SCHEMA_VERSION = 12

/**
 * The schema of a new file; migrate.ts brings older files to it.
 *
 * `seq` is the rowid, so an index has rows with equal values in the order of creation. Every index on random
 * values costs a page of the write-ahead log per session, so there are no more than necessary.
 */
export const SCHEMA = `
  CREATE TABLE sessions (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    user TEXT NOT NULL,
    workflow TEXT NOT NULL,
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL,
    sid TEXT,
    secret_hash TEXT NOT NULL,
    -- A new session is compared without the list: for a list of more than two, SQLite makes a table at each insert.
    status TEXT NOT NULL
      CHECK (status = 'active' OR status IN ('replaced', 'cancelling', 'cancelled')),
    -- Null only while a session is active and nothing has ended its answers: uses.ts asks for no other sign of that.
    end_reason TEXT,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    ends_at INTEGER NOT NULL,
    state TEXT,
    asked TEXT,
    -- For receipts: when it ended, whether the upstream confirmed it, and who ended it.
    ended_at INTEGER,
    confirmed_at INTEGER,
    ended_by TEXT
  ) STRICT;
  -- One index serves a user's sessions and their secrets.
  CREATE INDEX sessions_user ON sessions (user, expires_at, status, secret_hash);
  CREATE INDEX sessions_subject ON sessions (subject, issuer);
  -- Without substitutes for a sid (identity.ts), which begin with a control character: their subject finds them.
  CREATE INDEX sessions_sid ON sessions (sid, issuer) WHERE sid >= ' ';
  CREATE INDEX sessions_workflow ON sessions (workflow);
  CREATE INDEX sessions_ended ON sessions (status) WHERE status <> 'active';
  CREATE INDEX sessions_ends ON sessions (ends_at);

  CREATE TABLE session_uses (
    id TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    kind TEXT NOT NULL CHECK (kind IN ('run', 'read')),
    used INTEGER NOT NULL,
    ends_ms INTEGER NOT NULL,
    PRIMARY KEY (id, kind)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE outbox (
    id TEXT PRIMARY KEY REFERENCES sessions (id) ON DELETE CASCADE,
    due_ms INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX outbox_due ON outbox (due_ms);

  CREATE TABLE users (
    user TEXT PRIMARY KEY,
    generation INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    ended_upto INTEGER NOT NULL DEFAULT 0
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX users_changed ON users (changed_at);

  CREATE TABLE blocks (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    user TEXT NOT NULL UNIQUE,
    until INTEGER NOT NULL,
    reason TEXT,
    by TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    generation INTEGER NOT NULL DEFAULT 0
  ) STRICT;
  CREATE INDEX blocks_until ON blocks (until);

  CREATE TABLE logout_marks (
    issuer TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('subject', 'sid')),
    value TEXT NOT NULL,
    issued_before INTEGER NOT NULL,
    keep_until INTEGER NOT NULL,
    PRIMARY KEY (issuer, kind, value)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX logout_marks_keep ON logout_marks (keep_until);

  CREATE TABLE counters (
    key TEXT PRIMARY KEY,
    used INTEGER NOT NULL,
    ends_ms INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE remembered (
    key TEXT PRIMARY KEY,
    until INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX remembered_until ON remembered (until);

  -- Chained per instance; entries of schema version 6 and before have no chain. An erased actor is the empty
  -- text, since older files have it NOT NULL.
  CREATE TABLE audit (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    user TEXT,
    outcome TEXT NOT NULL,
    reason TEXT,
    request_id TEXT,
    instance TEXT,
    chain_seq INTEGER,
    prev TEXT,
    salt TEXT,
    by_user INTEGER,
    erased TEXT
  ) STRICT;
  CREATE INDEX audit_user ON audit (user);
  CREATE INDEX audit_action ON audit (action);
  CREATE INDEX audit_at ON audit (at);
  CREATE INDEX audit_actor ON audit (actor);

  -- Threads and attachments belong to a server (its source) and a user.
  CREATE TABLE owned (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    source TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('thread', 'attachment')),
    id TEXT NOT NULL,
    user TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    UNIQUE (id, kind, source)
  ) STRICT;
  CREATE INDEX owned_kind ON owned (kind);
  CREATE INDEX owned_source ON owned (source, kind);
  CREATE INDEX owned_user ON owned (user, kind);
  CREATE INDEX owned_user_source ON owned (user, source, kind);

  -- seq is that of the user's last session that was noted, and only a session that is noted changes it.
  -- name and other_name are user and subject in lower case, in the order of their bytes.
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

  -- The sum of what all instances counted in the interval from "at" on.
  CREATE TABLE interval_figures (
    seconds INTEGER NOT NULL,
    at INTEGER NOT NULL,
    fields TEXT NOT NULL,
    PRIMARY KEY (seconds, at)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE kept_keys (
    name TEXT PRIMARY KEY,
    bytes BLOB NOT NULL
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE health (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    writes INTEGER NOT NULL
  ) STRICT;
`

/** A write that changes nothing that is read anywhere. */
export const HEALTH_WRITE =
  'INSERT INTO health VALUES (1, 1) ON CONFLICT (one) DO UPDATE SET writes = writes + 1'
