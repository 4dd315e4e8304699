// Reads the text files that operators write: config file and `.env`.

import { systemCode } from '../lib/errors.ts'
import { readFileBounded, TooLargeError } from '../lib/read-bounded.ts'

const MAX_BYTES = 4 * 1024 * 1024

/** Drops a byte order mark, which would become a part of the first name. */
export function readTextFile(file: string): string {
  return new TextDecoder('utf-8', { fatal: true }).decode(readFileBounded(file, MAX_BYTES))
}

/**
 * Why {@link readTextFile} failed, as the end of a sentence about the file.
 *
 * @param adviceOn - by the system's code
 */
export function whyUnread(error: unknown, adviceOn: (code: string) => string): string {
  if (error instanceof TooLargeError) return `is longer than ${MAX_BYTES / 1024 ** 2} MiB`
  const code = systemCode(error) ?? 'unknown error'
  if (code === 'ERR_ENCODING_INVALID_ENCODED_DATA') return 'is not UTF-8 text; save it as UTF-8'
  return `cannot be read (${code})${adviceOn(code)}`
}
