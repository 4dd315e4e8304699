// Writes a file that appears under its name only when it is whole.

import { open, rename, rm } from 'node:fs/promises'
import { CommandError, EXIT } from '../exit.ts'

/** {@link openExportFile} */
export type ExportFile = Awaited<ReturnType<typeof openExportFile>>

/**
 * Opens a file that grows beside its name, readable for its owner only: it will hold conversations.
 *
 * @param path - the name that it shall have
 * @throws {@link CommandError} when it cannot be written, from the methods too
 */
export async function openExportFile(path: string) {
  const partialPath = `${path}.partial`
  const handle = await guarded(path, async () => {
    await rm(partialPath, { force: true })
    return await open(partialPath, 'wx', 0o600)
  })
  return {
    partialPath,
    /** @param line - without line end */
    write: (line: string) => guarded(path, () => handle.appendFile(`${line}\n`)),
    /** Gives the file its name; another that had it is replaced. */
    complete: () =>
      guarded(path, async () => {
        await handle.sync()
        await rename(partialPath, path)
      }),
    /** Closes the file, whether complete or not. */
    close: () => handle.close(),
  }
}

async function guarded<T>(path: string, act: () => Promise<T>): Promise<T> {
  try {
    return await act()
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error'
    throw new CommandError(EXIT.ioError, `cannot write ${path} (${code}); check path and space.`)
  }
}
