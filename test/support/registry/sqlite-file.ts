import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach } from 'vitest'
import { createSqliteRegistry } from '../../../src/registry/sqlite.ts'
import type { PlainRegistry } from '../../contracts/registry-fixtures.ts'
import { plain } from '../ids.ts'
import { scratchFolder } from '../scratch-folder.ts'

/** A place for a SQLite file, empty for each test. */
export interface SqliteFile {
  readonly folder: string
  readonly path: string
  /** An instance on it, which is closed after the test. */
  open(options?: { maxPageCount?: number; path?: string }): PlainRegistry
  /** A connection of another program, which can hold the lock. */
  foreign(): DatabaseSync
}

export function sqliteFile(): SqliteFile {
  let folder: string
  const opened: PlainRegistry[] = []
  beforeEach(() => {
    folder = scratchFolder()
  })
  afterEach(async () => {
    for (const registry of opened.splice(0)) await registry.close()
  })
  const file: SqliteFile = {
    get folder() {
      return folder
    },
    get path() {
      return join(folder, 'mint.db')
    },
    open(options = {}) {
      const registry = plain(createSqliteRegistry({ path: file.path, ...options }))
      opened.push(registry)
      return registry
    },
    foreign: () => new DatabaseSync(file.path),
  }
  return file
}
