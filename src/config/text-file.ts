// Reads the text files that operators write: config file and `.env`.

import { readFileSync } from 'node:fs'
import { systemCode } from '../lib/errors.ts'

/** Drops a byte order mark, which would become a part of the first name. */
export function readTextFile(file: string): string {
  return new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(file))
}

/**
 * Why {@link readTextFile} failed, as the end of a sentence about the file.
 *
 * @param adviceOn - by the system's code
 */
export function whyUnread(error: unknown, adviceOn: (code: string) => string): string {
  const code = systemCode(error) ?? 'unknown error'
  if (code === 'ERR_ENCODING_INVALID_ENCODED_DATA') return 'is not UTF-8 text; save it as UTF-8'
  return `cannot be read (${code})${adviceOn(code)}`
}
