import type { Sql } from './database.ts'
import { asServiceError, isBusy } from './failure.ts'

/** One piece of work of a group, and who waits for it. */
export interface Member {
  readonly work: (sql: Sql) => unknown
  readonly done: (result: unknown) => void
  readonly failed: (error: unknown) => void
}

/** The event loop waits while a group runs. */
const MOST_TOGETHER = 64

/**
 * Collects what is to be written in one turn of the event loop.
 *
 * @param run - commits a group and tells its members; rejects when none of it was written
 */
export function createGroups(run: (group: readonly Member[]) => Promise<void>) {
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

  return <T>(work: (sql: Sql) => T): Promise<T> => {
    return new Promise((resolve, reject) => {
      const done = (result: unknown) => resolve(result as T)
      waiting.push({ work, done, failed: reject })
      if (waiting.length === 1) setImmediate(() => void commit())
    })
  }
}

/**
 * Commits a group in one transaction. When any member fails, or the transaction itself, all of it is
 * rolled back and each member gets one of its own, so that none fails for another. Savepoints would
 * spare that, at a fifth of the cost of every group that succeeds.
 *
 * @param sql - of the connection
 * @param group - at least one
 * @throws SQLite's error when the lock is held elsewhere: nothing has been written then
 */
export function runGroup(sql: Sql, group: readonly Member[]): void {
  const [only, ...others] = group
  if (only !== undefined && others.length === 0) {
    runAlone(sql, only)
    return
  }
  const results = tryTogether(sql, group)
  for (const [at, member] of group.entries()) {
    if (results === undefined) settleAlone(sql, member)
    else member.done(results[at])
  }
}

/** The results of all members; undefined when nothing has been written. */
function tryTogether(sql: Sql, group: readonly Member[]): readonly unknown[] | undefined {
  sql.exec('BEGIN IMMEDIATE')
  try {
    const results = group.map(({ work }) => work(sql))
    sql.exec('COMMIT')
    return results
  } catch (error) {
    rollBack(sql)
    if (isBusy(error)) throw error
    return undefined
  }
}

function settleAlone(sql: Sql, member: Member): void {
  try {
    runAlone(sql, member)
  } catch (error) {
    member.failed(asServiceError(error))
  }
}

function runAlone(sql: Sql, { work, done }: Member): void {
  sql.exec('BEGIN IMMEDIATE')
  try {
    const value = work(sql)
    sql.exec('COMMIT')
    done(value)
  } catch (error) {
    rollBack(sql)
    throw error
  }
}

function rollBack(sql: Sql): void {
  if (sql.inTransaction()) sql.exec('ROLLBACK')
}
