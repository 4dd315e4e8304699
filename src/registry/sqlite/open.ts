// Opens the SQLite database, checks it, and brings its schema up to date.
import { closeSync, fstatSync, mkdirSync, openSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { Log } from '../../lib/log.ts'
import { StoreUnusableError } from '../port.ts'
import { isBusy } from './failure.ts'
import { moveOwners, type OwnersMove } from './move-owners.ts'
import { APPLICATION_ID, HEALTH_WRITE, MIGRATIONS } from './schema.ts'

/** While it starts, the process may wait for another that migrates. */
const OPEN_WAIT_MS = 5_000
/** SQLite's calls block the event loop, so a request never waits longer than this at a time. */
const BUSY_WAIT_MS = 50
/** Above this size the check of every page would hold up the start. */
const CHECKED_BYTES = 64 * 1024 * 1024

/** Some 32 MiB of log: a page that changes with every mint is copied into the file once for many. */
const CHECKPOINT_PAGES = 8192

/** How the database is opened. */
export interface OpenOptions {
  /** Path of the file; `:memory:` is a database without one, which ends with its connection. */
  readonly path: string
  /** A bound on the file's size, in pages; SQLite's own when absent. */
  readonly maxPageCount?: number | undefined
  readonly log?: Log | undefined
  /** Ownership records to move; see {@link moveOwners}. */
  readonly moves?: readonly OwnersMove[] | undefined
}

/** Two connections to the one file; in memory, one that serves as both. */
export interface Connections {
  /** `synchronous=FULL`: what it has committed survives a power failure. */
  readonly durable: DatabaseSync
  /** `synchronous=NORMAL`: for counters, where a lost second is no loss and an fsync is a cost. */
  readonly relaxed: DatabaseSync
}

/**
 * Opens the file, made when there is none, or a new database in memory, with the newest schema.
 *
 * @param options - path and bounds
 * @throws {@link StoreUnusableError} with the reason, when it cannot be used
 */
export function openDatabase(options: OpenOptions): Connections {
  const opened: DatabaseSync[] = []
  try {
    return options.path === ':memory:' ? openMemory(options, opened) : openFile(options, opened)
  } catch (error) {
    for (const db of opened) db.close()
    const why = error instanceof Error ? error.message : String(error)
    throw new StoreUnusableError(`the store ${options.path} cannot be used: ${why}`, {
      cause: error,
    })
  }
}

/**
 * A second connection would open a second database, so there is one. Without a file there are no
 * permissions or pages to check, no write-ahead log, no disk to sync, and no other process to wait for.
 */
function openMemory(options: OpenOptions, opened: DatabaseSync[]): Connections {
  const db = connect(options, opened)
  migrate(db, MIGRATIONS)
  return { durable: db, relaxed: db }
}

function openFile(options: OpenOptions, opened: DatabaseSync[]): Connections {
  const size = createFile(options.path)
  const durable = connect(options, opened)
  patiently(() => durable.exec('PRAGMA journal_mode = WAL'))
  if (size <= CHECKED_BYTES) checkPages(durable)
  else options.log?.info({ bytes: size }, 'the store is large: its pages are not all checked')
  migrate(durable, MIGRATIONS)
  inTransaction(durable, () => moveOwners(durable, options.moves ?? []))
  durable.exec('PRAGMA synchronous = FULL')
  patiently(() => durable.exec(HEALTH_WRITE))
  const relaxed = connect(options, opened)
  relaxed.exec('PRAGMA synchronous = NORMAL')
  for (const db of opened) db.exec(`PRAGMA busy_timeout = ${BUSY_WAIT_MS}`)
  return { durable, relaxed }
}

/** Users' identifiers are in it, so nobody else may read it; SQLite's side files follow suit. */
function createFile(path: string): number {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  const file = openSync(path, 'a', 0o600)
  try {
    return fstatSync(file).size
  } finally {
    closeSync(file)
  }
}

function connect(options: OpenOptions, opened: DatabaseSync[]): DatabaseSync {
  const db = new DatabaseSync(options.path, {
    timeout: OPEN_WAIT_MS,
    enableForeignKeyConstraints: true,
    enableDoubleQuotedStringLiterals: false,
  })
  opened.push(db)
  db.exec('PRAGMA cache_size = -16384')
  db.exec('PRAGMA journal_size_limit = 67108864')
  db.exec(`PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES}`)
  if (options.maxPageCount !== undefined) {
    db.exec(`PRAGMA max_page_count = ${Math.trunc(options.maxPageCount)}`)
  }
  return db
}

function checkPages(db: DatabaseSync): void {
  const result = patiently(() => pragma(db, 'quick_check(1)'))
  if (result !== 'ok') throw new Error(`it is corrupt: ${result}`)
}

/**
 * Brings the schema to the newest version, in one transaction that no other process can enter.
 *
 * @param db - open
 * @param migrations - {@link MIGRATIONS}, or a beginning of it
 */
export function migrate(db: DatabaseSync, migrations: readonly string[]): void {
  inTransaction(db, () => {
    const version = Number(pragma(db, 'user_version'))
    const objects = db.prepare('SELECT count(*) AS n FROM sqlite_schema').get()?.['n']
    if (version === 0 && objects !== 0) throw new Error('it is a database of another program')
    if (version > 0 && pragma(db, 'application_id') !== APPLICATION_ID) {
      throw new Error('it is a database of another program')
    }
    if (version > migrations.length) {
      const known = `this one knows versions up to ${migrations.length}`
      throw new Error(`it was written by a newer chatkit-mint (schema ${version}; ${known})`)
    }
    for (const sql of migrations.slice(version)) db.exec(sql)
    if (version < migrations.length) {
      db.exec(`PRAGMA application_id = ${APPLICATION_ID}`)
      db.exec(`PRAGMA user_version = ${migrations.length}`)
    }
  })
}

function inTransaction(db: DatabaseSync, work: () => void): void {
  patiently(() => db.exec('BEGIN IMMEDIATE'))
  try {
    work()
    db.exec('COMMIT')
  } catch (error) {
    if (db.isTransaction) db.exec('ROLLBACK')
    throw error
  }
}

function pragma(db: DatabaseSync, name: string): unknown {
  return Object.values(db.prepare(`PRAGMA ${name}`).get() ?? {})[0]
}

/** The switch to WAL does not heed SQLite's own wait for locks, so the wait is here. */
function patiently<T>(work: () => T): T {
  for (let waitedMs = 0; ; waitedMs += BUSY_WAIT_MS) {
    try {
      return work()
    } catch (error) {
      if (!isBusy(error) || waitedMs >= OPEN_WAIT_MS) throw error
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, BUSY_WAIT_MS)
    }
  }
}
