// The SQLite connection: waits for locks without blocking the event loop, and commits writes of one turn together.
import { statSync } from 'node:fs'
import type { DatabaseSync, SQLInputValue, SQLOutputValue, StatementSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { ServiceError } from '../../lib/errors.ts'
import { asServiceError, isBusy } from './failure.ts'

export type ResultRow = Readonly<Record<string, SQLOutputValue>>

export type Sql = ReturnType<typeof createSql>

interface Writer extends Sql {
  readonly files: ReturnType<typeof createFileCheck>
}

/** A column of a result as a number; undefined when there is no row or the column is null. */
export function numberIn(row: ResultRow | undefined, column: string): number | undefined {
  const value = row?.[column]
  return typeof value === 'number' ? value : undefined
}

export type Database = ReturnType<typeof createDatabase>

/** How long a call goes on trying, in milliseconds. Each try may also block for SQLite's own 50 ms. */
const PATIENCE_MS = 200

/**
 * A connection that waits for locks without blocking the event loop.
 *
 * @param db - open; closed by its owner
 */
export function createDatabase(db: DatabaseSync) {
  const sql = { ...createSql(db), files: createFileCheck(db.location()) }
  let held: { readonly error: unknown; readonly pause: Promise<void> } | undefined

  /** While another connection holds the lock, the calls queue, and only the first of them tries again. */
  async function attempt<T>(work: () => T): Promise<T> {
    const end = performance.now() + PATIENCE_MS
    for (;;) {
      while (held !== undefined && performance.now() < end) await held.pause
      if (held !== undefined) throw asServiceError(held.error)
      try {
        return work()
      } catch (error) {
        if (!isBusy(error)) throw asServiceError(error)
        held = { error, pause: sleep(5 + Math.random() * 15).then(letOneTry) }
      }
    }
  }

  function letOneTry(): void {
    held = undefined
  }

  const join = createGroups((group) => attempt(() => runGroup(sql, group)))
  return {
    /** Runs statements without a transaction. */
    plain: <T>(work: (sql: Sql) => T): Promise<T> => attempt(() => work(sql)),
    /**
     * Runs work in a transaction that holds the write lock from its start. Writes of the same turn of the
     * event loop share one transaction and its wait for the disk; when one fails, the others still commit.
     * Work may run again after a rollback, so it must change nothing but the database.
     */
    write: join(true),
    /**
     * Like `write`, for data that a power failure may undo. It does not wait for the disk unless its group has
     * a durable write.
     */
    writeUnsynced: join(false),
  }
}

/** Runs the SQL of a step. Each text is prepared once, and its statement is reused. */
function createSql(db: DatabaseSync) {
  const prepared = new Map<string, StatementSync>()
  function statement(text: string): StatementSync {
    const known = prepared.get(text)
    if (known !== undefined) return known
    const made = db.prepare(text)
    prepared.set(text, made)
    return made
  }
  let durable = true
  db.exec('PRAGMA synchronous = FULL')
  return {
    inTransaction: () => db.isTransaction,
    /** Sets whether the next commits wait for the disk. Call it outside a transaction. */
    setDurable(next: boolean): void {
      if (next !== durable) db.exec(`PRAGMA synchronous = ${next ? 'FULL' : 'NORMAL'}`)
      durable = next
    },
    /** The first row, if any. */
    get: (text: string, ...values: SQLInputValue[]): ResultRow | undefined =>
      statement(text).get(...values),
    all: (text: string, ...values: SQLInputValue[]): readonly ResultRow[] =>
      statement(text).all(...values),
    /** The number of rows changed. */
    run: (text: string, ...values: SQLInputValue[]) =>
      Number(statement(text).run(...values).changes),
  }
}

/** Milliseconds between two checks of the files. */
const CHECK_EVERY_MS = 1000

/**
 * Makes the check that throws when the file or its log was deleted or replaced. SQLite goes on writing into the
 * deleted one, and all of that is gone when the process ends.
 *
 * @param path - null for a database in memory
 */
function createFileCheck(path: string | null) {
  const files = path === null ? [] : [path, `${path}-wal`]
  const find = () => files.map((file) => statSync(file, { throwIfNoEntry: false })?.ino)
  const opened = find()
  return {
    /** When the next check is due, by `performance.now()`. */
    checkAt: performance.now() + CHECK_EVERY_MS,
    check(): void {
      const found = find()
      if (found.some((file, at) => file !== opened[at])) {
        const reason = 'the SQLite file or its log was deleted or replaced: restart the service'
        throw new ServiceError('store_unavailable', { reason })
      }
      this.checkAt = performance.now() + CHECK_EVERY_MS
    },
  }
}

/** One write of a group, with the callbacks for its caller. */
interface Member {
  readonly work: (sql: Sql) => unknown
  readonly durable: boolean
  readonly done: (result: unknown) => void
  readonly failed: (error: unknown) => void
}

/** Most writes in one transaction, because they block the event loop. */
const MOST_TOGETHER = 64

/**
 * Collects the writes of one turn of the event loop into groups.
 *
 * @param run - commits a group and settles its members; rejects when nothing was written
 */
function createGroups(run: (group: readonly Member[]) => Promise<void>) {
  let waiting: Member[] = []

  async function commit(): Promise<void> {
    const all = waiting
    waiting = []
    for (let from = 0; from < all.length; from += MOST_TOGETHER) {
      const group = all.slice(from, from + MOST_TOGETHER)
      await run(group).catch((error: unknown) => {
        for (const member of group) member.failed(error)
      })
    }
  }

  return (durable: boolean) =>
    <T>(work: (sql: Sql) => T): Promise<T> =>
      new Promise((resolve, reject) => {
        waiting.push({ work, durable, done: resolve as Member['done'], failed: reject })
        if (waiting.length === 1) setImmediate(commit)
      })
}

/**
 * Commits a group in one transaction. When a member or the transaction itself fails, everything is rolled back
 * and each member gets a transaction of its own, so that no member fails because of another. Savepoints would
 * avoid that second run, but make every successful group a fifth slower.
 *
 * @param group - at least one
 * @throws SQLite's error when the lock is held elsewhere: nothing has been written then
 */
function runGroup(sql: Writer, group: readonly Member[]): void {
  let results: readonly unknown[]
  try {
    results = commitTogether(sql, group)
  } catch (error) {
    if (group.length === 1 || isBusy(error)) throw error
    for (const member of group) settleAlone(sql, member)
    return
  }
  for (const [at, member] of group.entries()) member.done(results[at])
}

function settleAlone(sql: Writer, member: Member): void {
  try {
    const [result] = commitTogether(sql, [member])
    member.done(result)
  } catch (error) {
    member.failed(asServiceError(error))
  }
}

function commitTogether(sql: Writer, group: readonly Member[]): readonly unknown[] {
  if (performance.now() >= sql.files.checkAt) sql.files.check()
  sql.setDurable(group.some(({ durable }) => durable))
  sql.run('BEGIN IMMEDIATE')
  try {
    const results = group.map(({ work }) => work(sql))
    sql.run('COMMIT')
    return results
  } catch (error) {
    if (sql.inTransaction()) sql.run('ROLLBACK')
    throw error
  }
}
