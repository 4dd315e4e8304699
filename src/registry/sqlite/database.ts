// The SQLite connection: waits for locks and the disk without blocking the event loop, and commits writes of one turn together.
import type { DatabaseSync, SQLInputValue, SQLOutputValue, StatementSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { asServiceError, isBusy } from './failure.ts'

/** One row of a result. */
export type ResultRow = Readonly<Record<string, SQLOutputValue>>

/** {@link createSql} */
export type Sql = ReturnType<typeof createSql>

/** A column of a result as a number; undefined when there is no row or the column is null. */
export function numberIn(row: ResultRow | undefined, column: string): number | undefined {
  const value = row?.[column]
  return typeof value === 'number' ? value : undefined
}

/** {@link createDatabase} */
export type Database = ReturnType<typeof createDatabase>

/** Bound on all tries of one call, in milliseconds; each try may block for SQLite's own 50 ms. */
const PATIENCE_MS = 200

/**
 * A connection that waits for locks and the disk without blocking the event loop.
 *
 * @param db - open; closed by its owner
 * @param synced - see {@link createLogSync}; absent for a database in memory
 */
export function createDatabase(db: DatabaseSync, synced?: () => Promise<void>) {
  const sql = createSql(db)
  let held: { readonly error: unknown; readonly pause: Promise<void> } | undefined

  /** While another connection holds the lock, calls wait together, and one at a time tries again. */
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

  const join = createGroups((group) => attempt(() => runGroup(sql, group)), synced)
  return {
    /** Runs statements without a transaction. */
    plain: <T>(work: (sql: Sql) => T): Promise<T> => attempt(() => work(sql)),
    /**
     * Runs work in a transaction that holds the write lock from its start, and resolves when a power failure
     * can no longer undo it. Writes of the same turn of the event loop share one transaction; when one fails,
     * the others still commit. Work may run again after a rollback, so it must change nothing but the database.
     */
    write: <T>(work: (sql: Sql) => T): Promise<T> => join(work, true),
    /** As `write`, for what a power failure may undo: resolves without waiting for the disk. */
    writeUnsynced: <T>(work: (sql: Sql) => T): Promise<T> => join(work, false),
  }
}

/** The SQL that a step may run. Every text is prepared once and kept. */
function createSql(db: DatabaseSync) {
  const prepared = new Map<string, StatementSync>()
  function statement(text: string): StatementSync {
    const found = prepared.get(text) ?? db.prepare(text)
    prepared.set(text, found)
    return found
  }
  return {
    inTransaction: () => db.isTransaction,
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

/** One write of a group, and the callbacks of its caller. */
interface Member {
  readonly work: (sql: Sql) => unknown
  readonly durable: boolean
  readonly done: (result: unknown) => void
  readonly failed: (error: unknown) => void
}

/** Most writes in one transaction: the event loop waits while they run. */
const MOST_TOGETHER = 64

/**
 * Collects the writes of one turn of the event loop into groups.
 *
 * @param run - commits a group and returns its results; rejects when none of it was written
 * @param synced - resolves when what is committed is on the disk
 */
function createGroups(
  run: (group: readonly Member[]) => Promise<readonly unknown[]>,
  synced: (() => Promise<void>) | undefined,
) {
  let waiting: Member[] = []

  async function commit(): Promise<void> {
    const all = waiting
    waiting = []
    for (let from = 0; from < all.length; from += MOST_TOGETHER) {
      const group = all.slice(from, from + MOST_TOGETHER)
      try {
        settle(group, await run(group))
      } catch (error) {
        for (const member of group) member.failed(error)
      }
    }
  }

  /** The next group need not wait for the disk of this one. */
  function settle(group: readonly Member[], results: readonly unknown[]): void {
    const tell = (durable: boolean) => {
      for (const [at, member] of group.entries()) {
        if (member.durable === durable) member.done(results[at])
      }
    }
    tell(false)
    if (synced === undefined) tell(true)
    else if (group.some(({ durable }) => durable)) void synced().then(() => tell(true), refuse)
    function refuse(error: unknown): void {
      for (const member of group) if (member.durable) member.failed(error)
    }
  }

  return <T>(work: (sql: Sql) => T, durable: boolean): Promise<T> => {
    return new Promise((resolve, reject) => {
      waiting.push({ work, durable, done: resolve as Member['done'], failed: reject })
      if (waiting.length === 1) setImmediate(commit)
    })
  }
}

/**
 * Commits a group in one transaction. When a member or the transaction itself fails, everything is rolled
 * back and each member gets a transaction of its own, so that no member fails because of another.
 * Savepoints would avoid that, but cost every group that succeeds a fifth more.
 *
 * @param group - at least one
 * @returns the results of the members, in order; a member that failed has been told
 * @throws SQLite's error when the lock is held elsewhere: nothing has been written then
 */
function runGroup(sql: Sql, group: readonly Member[]): readonly unknown[] {
  try {
    return commitTogether(sql, group)
  } catch (error) {
    if (group.length === 1 || isBusy(error)) throw error
    return group.map((member) => commitAlone(sql, member))
  }
}

function commitAlone(sql: Sql, member: Member): unknown {
  try {
    return commitTogether(sql, [member])[0]
  } catch (error) {
    member.failed(asServiceError(error))
    return undefined
  }
}

function commitTogether(sql: Sql, group: readonly Member[]): readonly unknown[] {
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
