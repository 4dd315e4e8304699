import type { DatabaseSync, SQLInputValue, SQLOutputValue, StatementSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { asServiceError, isBusy } from './failure.ts'
import { createGroups, runGroup } from './group-commit.ts'

/** One row of a result. */
export type ResultRow = Readonly<Record<string, SQLOutputValue>>

/** What SQL a step may run. Every text is prepared once and kept. */
export interface Sql {
  /** A statement without result, such as `COMMIT`. */
  exec(sql: string): void
  /** Whether a transaction is open. */
  inTransaction(): boolean
  /** The first row, if any. */
  get(sql: string, ...values: SQLInputValue[]): ResultRow | undefined
  all(sql: string, ...values: SQLInputValue[]): readonly ResultRow[]
  /** The number of rows changed. */
  run(sql: string, ...values: SQLInputValue[]): number
}

/** One connection, with the waiting for locks that does not block the event loop. */
export interface Database {
  /** Runs statements of which each stands for itself. */
  plain<T>(work: (sql: Sql) => T): Promise<T>
  /**
   * Runs work in a transaction that holds the write lock from its start. What is asked for in the same
   * turn of the event loop shares one, and its wait for the disk; when one fails, the others do not.
   * Work may run again after a rollback, so it changes nothing but the database.
   */
  write<T>(work: (sql: Sql) => T): Promise<T>
}

/** All tries of one call together; each of them may block for SQLite's own 50 ms. */
const PATIENCE_MS = 200

/**
 * @param db - open; closed by its owner
 */
export function createDatabase(db: DatabaseSync): Database {
  const sql = createSql(db)
  let held: { readonly error: unknown; readonly pause: Promise<void> } | undefined

  /** Calls that come while the lock is held elsewhere wait together: only one of them tries. */
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

  return {
    plain: (work) => attempt(() => work(sql)),
    write: createGroups((group) => attempt(() => runGroup(sql, group))),
  }
}

function createSql(db: DatabaseSync): Sql {
  const prepared = new Map<string, StatementSync>()
  function statement(text: string): StatementSync {
    const found = prepared.get(text) ?? db.prepare(text)
    prepared.set(text, found)
    return found
  }
  return {
    exec(text) {
      statement(text).run()
    },
    inTransaction: () => db.isTransaction,
    get: (text, ...values) => statement(text).get(...values),
    all: (text, ...values) => statement(text).all(...values),
    run: (text, ...values) => Number(statement(text).run(...values).changes),
  }
}
