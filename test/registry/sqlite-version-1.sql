-- A file of schema version 1, without rows.
CREATE TABLE sessions (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  user TEXT NOT NULL,
  workflow TEXT NOT NULL,
  issuer TEXT NOT NULL,
  subject TEXT NOT NULL,
  sid TEXT,
  secret_hash TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('active', 'cancelling', 'cancelled')),
  end_reason TEXT,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  ends_at INTEGER NOT NULL
) STRICT;
CREATE INDEX sessions_user ON sessions (user, expires_at);
CREATE INDEX sessions_secret ON sessions (secret_hash);
CREATE INDEX sessions_subject ON sessions (subject, issuer);
CREATE INDEX sessions_sid ON sessions (sid, issuer) WHERE sid IS NOT NULL;
CREATE INDEX sessions_workflow ON sessions (workflow);
CREATE INDEX sessions_status ON sessions (status);
CREATE INDEX sessions_live ON sessions (expires_at) WHERE status = 'active';
CREATE INDEX sessions_ends ON sessions (ends_at);
CREATE TABLE outbox (
  id TEXT PRIMARY KEY REFERENCES sessions (id) ON DELETE CASCADE,
  due_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX outbox_due ON outbox (due_ms);
CREATE TABLE users (
  user TEXT PRIMARY KEY,
  generation INTEGER NOT NULL,
  changed_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX users_changed ON users (changed_at);
CREATE TABLE blocks (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  user TEXT NOT NULL UNIQUE,
  until INTEGER NOT NULL,
  reason TEXT,
  by TEXT NOT NULL,
  created_at INTEGER NOT NULL
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
CREATE INDEX counters_ends ON counters (ends_ms);
CREATE TABLE remembered (
  key TEXT PRIMARY KEY,
  until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX remembered_until ON remembered (until);
CREATE TABLE audit (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  at INTEGER NOT NULL,
  actor TEXT NOT NULL,
  action TEXT NOT NULL,
  user TEXT,
  outcome TEXT NOT NULL,
  reason TEXT,
  request_id TEXT
) STRICT;
CREATE INDEX audit_user ON audit (user);
CREATE INDEX audit_action ON audit (action);
CREATE INDEX audit_at ON audit (at);
CREATE TABLE kept_keys (
  name TEXT PRIMARY KEY,
  bytes BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE health (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  writes INTEGER NOT NULL
) STRICT;
PRAGMA application_id = 0x434b4d54;
PRAGMA user_version = 1;
