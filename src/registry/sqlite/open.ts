// Opens the SQLite database, checks it, and brings its schema up to date.

import { closeSync, fstatSync, openSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { createFolder } from '../../lib/create-folder.ts'
import { systemCode } from '../../lib/errors.ts'
import type { Log } from '../../lib/log.ts'
import { StoreUnusableError } from '../port.ts'
import { isBusy, isDamage, isUnwritable } from './failure.ts'
import { changeSchema } from './migrate.ts'
import { moveOwners, type OwnersMove } from './move-owners.ts'
import { APPLICATION_ID, HEALTH_WRITE, SCHEMA, SCHEMA_VERSION } from './schema.ts'

/** How long the start waits for another process that migrates the file, in milliseconds. */
const OPEN_WAIT_MS = 5_000
/** How long one call of SQLite waits for a lock, in milliseconds: it blocks the event loop. */
const BUSY_WAIT_MS = 50
const LET_WRITE =
  '; let the user of this process write the file and its folder (the image runs as node, 1000:1000)'
/** Advice by the system's code. */
const ADVICE: Readonly<Record<string, string>> = {
  EACCES: LET_WRITE,
  EPERM: LET_WRITE,
  EROFS: '; mount a volume there that can be written',
  EISDIR: '; name a file in this folder',
  ENOENT: '; name a path where folders can be made',
}
const RESTORE = '; restore a backup, see src/docs/operate.md'
/** A larger file is not checked, because that would delay the start. */
const CHECKED_BYTES = 64 * 1024 * 1024

/**
 * The write-ahead log is copied into the file when it is about 32 MiB long. A page that every mint changes is
 * thus copied once for many mints.
 */
const CHECKPOINT_PAGES = 8192

/**
 * After most commits SQLite looks through its whole cache for pages beyond the end of the database. With 16 MiB
 * instead of 4 a mint costs the same or more, also beside 400,000 sessions: the system caches the file, too.
 */
const CACHE_KIB = 4096

/**
 * When a page was split, SQLite searches its whole cache at the commit, and a database in memory lies entirely
 * in that cache. Larger pages are fewer: a mint then costs the same with 1,000,000 sessions as with 100 (with 4
 * KiB pages, 1.4 to 1.8 times as much). A mint in a small database costs 18 % more.
 */
const MEMORY_PAGE_BYTES = 16_384

export interface OpenOptions {
  /** Path of the file; `:memory:` opens a database without a file, which ends with its connection. */
  readonly path: string
  /** Bound on the file's size, in pages; SQLite's own bound when absent. */
  readonly maxPageCount?: number | undefined
  /** Gets a line when the file is too large to check. */
  readonly log?: Log | undefined
  /** Ownership records to move; see {@link moveOwners}. */
  readonly moves?: readonly OwnersMove[] | undefined
}

/**
 * Opens the file (creates it if there is none), or a new database in memory, and migrates its schema.
 *
 * @throws {@link StoreUnusableError} with the reason, when it cannot be used
 */
export function openDatabase(options: OpenOptions): DatabaseSync {
  let db: DatabaseSync | undefined
  try {
    const bytes = options.path === ':memory:' ? undefined : createFile(options.path)
    db = connect(options)
    if (bytes === undefined) migrate(db)
    else prepareFile(db, bytes, options)
    return db
  } catch (error) {
    db?.close()
    const why = error instanceof Error ? error.message : String(error)
    throw new StoreUnusableError(
      `the store ${options.path} cannot be used: ${why}${adviceOn(error)}`,
      { cause: error },
    )
  }
}

function adviceOn(error: unknown): string {
  if (isDamage(error)) return RESTORE
  return isUnwritable(error) ? LET_WRITE : (ADVICE[systemCode(error) ?? ''] ?? '')
}

/** Not for a database in memory, which has no pages to check, no log, and no other process to wait for. */
function prepareFile(db: DatabaseSync, bytes: number, { log, moves }: OpenOptions): void {
  patiently(() => db.exec('PRAGMA journal_mode = WAL'))
  if (bytes <= CHECKED_BYTES) checkPages(db)
  else log?.info({ bytes }, 'the store is large: its pages are not all checked')
  migrate(db)
  inTransaction(db, () => moveOwners(db, moves ?? []))
  patiently(() => db.exec(HEALTH_WRITE))
  db.exec(`PRAGMA busy_timeout = ${BUSY_WAIT_MS}`)
}

/**
 * Creates the file if there is none, and returns its size. It holds users' identifiers and keys, so only
 * its owner may read it; SQLite gives its side files the same permissions.
 */
function createFile(path: string): number {
  createFolder(dirname(path))
  const file = openSync(path, 'a', 0o600)
  try {
    return fstatSync(file).size
  } finally {
    closeSync(file)
  }
}

function connect({ path, maxPageCount }: OpenOptions): DatabaseSync {
  const db = new DatabaseSync(path, {
    timeout: OPEN_WAIT_MS,
    enableDoubleQuotedStringLiterals: false,
  })
  if (path === ':memory:') db.exec(`PRAGMA page_size = ${MEMORY_PAGE_BYTES}`)
  db.exec(`PRAGMA cache_size = -${CACHE_KIB}`)
  db.exec('PRAGMA journal_size_limit = 67108864')
  // SQLite overwrites what an erase deletes; else the name would stay in free parts of the file.
  db.exec('PRAGMA secure_delete = ON')
  db.exec(`PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES}`)
  if (maxPageCount !== undefined) db.exec(`PRAGMA max_page_count = ${Math.trunc(maxPageCount)}`)
  return db
}

function checkPages(db: DatabaseSync): void {
  const result = patiently(() => pragma(db, 'quick_check(1)'))
  if (result !== 'ok') throw new Error(`it is corrupt: ${result}${RESTORE}`)
}

/**
 * Brings the schema to the newest version, in one transaction that no other process can enter.
 *
 * @param schema - {@link SCHEMA}, and in tests another
 */
export function migrate(db: DatabaseSync, schema = SCHEMA, newest = SCHEMA_VERSION): void {
  db.exec('PRAGMA foreign_keys = OFF')
  inTransaction(db, () => {
    const version = Number(pragma(db, 'user_version'))
    const objects = db.prepare('SELECT count(*) AS n FROM sqlite_schema').get()?.['n']
    if (version === 0 && objects !== 0) throw new Error('it is a database of another program')
    if (version > 0 && pragma(db, 'application_id') !== APPLICATION_ID) {
      throw new Error('it is a database of another program')
    }
    if (version > newest) {
      const known = `this one knows versions up to ${newest}`
      const cause = `it was written by a newer chatkit-mint (schema ${version}; ${known})`
      throw new Error(`${cause}; start that one, or restore a backup of before`)
    }
    if (version === newest) return
    if (version === 0) db.exec(schema)
    else changeSchema(db, schema)
    db.exec(`PRAGMA application_id = ${APPLICATION_ID}`)
    db.exec(`PRAGMA user_version = ${newest}`)
  })
  db.exec('PRAGMA foreign_keys = ON')
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

/** Repeats work while the file is locked, because the switch to WAL ignores SQLite's own wait for locks. */
function patiently<T>(work: () => T): T {
  // The last try may wait as long once more.
  for (const end = performance.now() + OPEN_WAIT_MS; ; ) {
    try {
      return work()
    } catch (error) {
      if (!isBusy(error) || performance.now() >= end) throw error
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, BUSY_WAIT_MS)
    }
  }
}
