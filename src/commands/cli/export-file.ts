// Writes a file that appears under its name only when it is whole.

import { open, rename, rm } from 'node:fs/promises'
import { CommandError, EXIT } from './exit.ts'

/** A file that appears under its name only when it is whole. */
export interface ExportFile {
  /** Where it grows. */
  readonly partialPath: string
  /** @param line - without line end */
  write(line: string): Promise<void>
  /** Gives it its name; a file that had it is replaced. */
  complete(): Promise<void>
  /** Lets go of it, whether complete or not. */
  close(): Promise<void>
}

/**
 * Opens it, for its owner's eyes only: it will hold conversations.
 *
 * @param path - the name that it shall have
 * @throws {@link CommandError} when it cannot be written, from the methods too
 */
export async function openExportFile(path: string): Promise<ExportFile> {
  const partialPath = `${path}.partial`
  const handle = await guarded(path, async () => {
    await rm(partialPath, { force: true })
    return await open(partialPath, 'wx', 0o600)
  })
  return {
    partialPath,
    write: (line) => guarded(path, () => handle.appendFile(`${line}\n`)),
    complete: () =>
      guarded(path, async () => {
        await handle.sync()
        await rename(partialPath, path)
      }),
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
