// Writes a file that gets its name only when it is complete.

import { open, rename, rm } from 'node:fs/promises'
import { CommandError, EXIT } from '../exit.ts'

/** {@link openExportFile} */
export type ExportFile = Awaited<ReturnType<typeof openExportFile>>

/**
 * Opens a file under a temporary name. Only its owner can read it, because it will hold conversations.
 *
 * @param path - its final name
 * @throws {@link CommandError} when it cannot be written; the methods throw it, too
 */
export async function openExportFile(path: string) {
  const partialPath = `${path}.partial`
  const handle = await orCommandError(path, async () => {
    await rm(partialPath, { force: true })
    return await open(partialPath, 'wx', 0o600)
  })
  return {
    partialPath,
    /** @param line - without line end */
    write: (line: string) => orCommandError(path, () => handle.appendFile(`${line}\n`)),
    /** Gives the file its final name, and replaces an older file of that name. */
    complete: () =>
      orCommandError(path, async () => {
        await handle.sync()
        await rename(partialPath, path)
      }),
    /** Closes the file, complete or not. */
    close: () => handle.close(),
  }
}

async function orCommandError<T>(path: string, act: () => Promise<T>): Promise<T> {
  try {
    return await act()
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error'
    throw new CommandError(EXIT.ioError, `cannot write ${path} (${code}); check path and space.`)
  }
}
