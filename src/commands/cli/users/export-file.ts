// Writes a file that gets its name only when it is complete; pipes and devices are written to directly.

import { open, realpath, rename, rm, stat } from 'node:fs/promises'
import { systemCode } from '../../../lib/errors.ts'
import { CommandError, EXIT } from '../exit.ts'

export type ExportFile = Awaited<ReturnType<typeof openExportFile>>

/**
 * Opens a file under a temporary name. Only its owner can read it, because it will hold conversations. A pipe or
 * device (`/dev/stdout`, `>(gzip)`) is written to directly. For a link, its target is replaced.
 *
 * @param path - its final name
 * @throws {@link CommandError} when it cannot be written; the methods throw it, too
 */
export async function openExportFile(path: string) {
  const existing = await stat(path).catch(() => undefined)
  const isDirect = existing !== undefined && !existing.isFile() && !existing.isDirectory()
  const target = existing?.isFile() ? await realpath(path) : path
  const partialPath = isDirect ? path : `${target}.partial`
  const handle = await orCommandError(path, async () => {
    if (isDirect) return await open(path, 'w')
    await rm(partialPath, { force: true })
    return await open(partialPath, 'wx', 0o600)
  })
  return {
    partialPath,
    /** @param line - without line end */
    write: (line: string) => orCommandError(path, () => handle.appendFile(`${line}\n`)),
    /** Gives the file its final name, and replaces an older file of that name. Does nothing for a pipe or device. */
    complete: () =>
      orCommandError(path, async () => {
        if (isDirect) return
        await handle.sync()
        await rename(partialPath, target)
      }),
    /** Closes the file, complete or not. */
    close: () => handle.close(),
  }
}

async function orCommandError<T>(path: string, act: () => Promise<T>): Promise<T> {
  try {
    return await act()
  } catch (error) {
    const code = systemCode(error)
    throw new CommandError(EXIT.ioError, `cannot write ${path} (${code}); check path and space.`)
  }
}
