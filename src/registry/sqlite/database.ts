// The SQLite connection: waits for locks without blocking the event loop, and commits writes of one turn together.

import { statSync } from 'node:fs'
import type { DatabaseSync, SQLInputValue, SQLOutputValue, StatementSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { ServiceError } from '../../lib/errors.ts'
import { asServiceError, isBusy } from './failure.ts'

export type ResultRow = Readonly<Record<string, SQLOutputValue>>

/** Gives the statement of a text, which is prepared once and then reused. */
export type Sql = (text: string) => StatementSync

/** A column of a result as a number; undefined when there is no row or the column is null. */
export function numberIn(row: ResultRow | undefined, column: string): number | undefined {
  const value = row?.[column]
  return typeof value === 'number' ? value : undefined
}

/**
 * The columns of a statement's one row as numbers; undefined for null. Frequent statements are read in this way,
 * because V8 takes longer over the names of a small row than SQLite over its values.
 */
export function readNumbers(
  statement: StatementSync,
  ...values: readonly SQLInputValue[]
): readonly (number | undefined)[] {
  statement.setReturnArrays(true)
  const row: unknown = statement.get(...values)
  const numbers: (number | undefined)[] = []
  if (!Array.isArray(row)) return numbers
  for (const value of row) numbers.push(typeof value === 'number' ? value : undefined)
  return numbers
}

export type Database = ReturnType<typeof createDatabase>

/** How long a call goes on trying, in milliseconds. Each try may also block for SQLite's own 50 ms. */
const PATIENCE_MS = 200

/**
 * A connection that waits for locks without blocking the event loop.
 *
 * @param connection - open; closed by its owner
 */
export function createDatabase(connection: DatabaseSync) {
  const sql = createSql(connection)
  const disk: Disk = { connection, files: createFileCheck(connection.location()) }
  let held: { readonly error: unknown; readonly pause: Promise<void> } | undefined
  let waiting: Member[] = []

  /** While another connection holds the lock, the calls queue, and only the first of them tries again. */
  async function attempt<A extends unknown[], T>(
    work: (sql: Sql, ...args: A) => T,
    ...args: A
  ): Promise<T> {
    const end = performance.now() + PATIENCE_MS
    for (;;) {
      while (held !== undefined && performance.now() < end) await held.pause
      if (held !== undefined) throw asServiceError(held.error)
      try {
        return work(sql, ...args)
      } catch (error) {
        if (!isBusy(error)) throw asServiceError(error)
        const pause = sleep(5 + Math.random() * 15).then(() => {
          held = undefined
        })
        held = { error, pause }
      }
    }
  }

  /** Commits the writes of one turn of the event loop in groups. */
  async function commit(): Promise<void> {
    const all = waiting
    waiting = []
    for (let from = 0; from < all.length; from += MOST_TOGETHER) {
      const group = all.slice(from, from + MOST_TOGETHER)
      try {
        await attempt(runGroup, disk, group)
      } catch (error) {
        for (const member of group) member.reject(error)
      }
    }
  }

  const join =
    (durable: boolean) =>
    <A extends unknown[], T>(work: (sql: Sql, ...args: A) => T, ...args: A): Promise<T> => {
      const { promise, resolve, reject } = Promise.withResolvers<T>()
      waiting.push({ work, args, durable, resolve, reject })
      if (waiting.length === 1) setImmediate(commit)
      return promise
    }

  return {
    /** Runs statements without a transaction. */
    plain: attempt,
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

function createSql(connection: DatabaseSync): Sql {
  const prepared = new Map<string, StatementSync>()
  return (text) => {
    const known = prepared.get(text)
    if (known !== undefined) return known
    const made = connection.prepare(text)
    prepared.set(text, made)
    return made
  }
}

/** Milliseconds between two checks of the files. */
const CHECK_EVERY_MS = 1000

/**
 * Makes the check that throws when the file, its log or its index of the log was deleted or replaced. SQLite goes on
 * writing into the deleted one, and all of that is gone when the process ends. The index also holds the locks:
 * another process would make a new one, and both would write at once and destroy the file.
 *
 * @param path - null for a database in memory
 */
function createFileCheck(path: string | null) {
  const files = path === null ? [] : ['', '-wal', '-shm'].map((end) => path + end)
  const find = () => files.map((file) => statSync(file, { throwIfNoEntry: false })?.ino)
  const opened = find()
  return {
    /** When the next check is due, by `performance.now()`. */
    checkAt: performance.now() + CHECK_EVERY_MS,
    check(): void {
      const found = find()
      if (found.some((file, at) => file !== opened[at])) {
        const reason =
          'the SQLite file, its -wal or its -shm was deleted or replaced: restart the service'
        throw new ServiceError('store_unavailable', { reason })
      }
      this.checkAt = performance.now() + CHECK_EVERY_MS
    },
  }
}

/** A connection, and what its commits have to do with the disk. */
interface Disk {
  readonly connection: DatabaseSync
  readonly files: ReturnType<typeof createFileCheck>
  /** Whether commits wait for the disk; undefined before the first. */
  durable?: boolean
}

/** One write of a group, with the arguments of its work and the callbacks for its caller. */
interface Member {
  work(sql: Sql, ...args: readonly unknown[]): unknown
  readonly args: readonly unknown[]
  readonly durable: boolean
  resolve(result: unknown): void
  reject(error: unknown): void
}

/** Most writes in one transaction, because they block the event loop. */
const MOST_TOGETHER = 64

/**
 * Commits a group in one transaction and settles its members. When a member or the transaction itself fails,
 * everything is rolled back and each member gets a transaction of its own, so that no member fails because of
 * another. Savepoints would avoid that second run, but make every successful group a fifth slower.
 *
 * @param group - at least one
 * @throws SQLite's error when the lock is held elsewhere: nothing has been written then
 */
function runGroup(sql: Sql, disk: Disk, group: readonly Member[]): void {
  const results: unknown[] = []
  try {
    if (performance.now() >= disk.files.checkAt) disk.files.check()
    let durable = false
    for (const member of group) durable ||= member.durable
    if (durable !== disk.durable) {
      disk.connection.exec(`PRAGMA synchronous = ${durable ? 'FULL' : 'NORMAL'}`)
    }
    disk.durable = durable
    sql('BEGIN IMMEDIATE').run()
    for (const { work, args } of group) results.push(work(sql, ...args))
    sql('COMMIT').run()
  } catch (error) {
    if (disk.connection.isTransaction) sql('ROLLBACK').run()
    if (group.length === 1 || isBusy(error)) throw error
    for (const member of group) {
      try {
        runGroup(sql, disk, [member])
      } catch (alone) {
        member.reject(asServiceError(alone))
      }
    }
    return
  }
  for (let at = 0; at < group.length; at++) group[at]?.resolve(results[at])
}
