// Creates a folder that only its owner may enter, and those above it that are missing.

import { existsSync, mkdirSync } from 'node:fs'
import { dirname } from 'node:path'

/**
 * Node's own `mkdir` with `recursive` never ends where the system answers ENOENT for a folder below one that exists
 * (/proc, homes that are mounted on demand), and hides causes such as EROFS.
 *
 * @throws the system's error
 */
export function createFolder(folder: string): void {
  const parent = dirname(folder)
  if (parent !== folder) createFolder(parent)
  try {
    mkdirSync(folder, { mode: 0o700 })
  } catch (error) {
    // Another process may have made it meanwhile.
    if (!existsSync(folder)) throw error
  }
}
