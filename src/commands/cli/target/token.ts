// Reads the admin's token.

import { readFileSync } from 'node:fs'
import type { CliEnvironment } from '../../../config/cli-environment.ts'
import { readBounded, TooLargeError } from '../../../lib/read-bounded.ts'
import { Secret } from '../../../lib/secret.ts'
import { CommandError, EXIT } from '../exit.ts'
import type { Io } from '../io.ts'

/** The service takes no longer ones. */
const MAX_TOKEN_BYTES = 16 * 1024

/**
 * The admin's token: from the file that was named, else from `CHATKIT_MINT_TOKEN` or the file in
 * `CHATKIT_MINT_TOKEN_FILE`. There is no option for the token itself: arguments of a process can be
 * read by everyone on the machine.
 *
 * @param environment - its `secret`
 * @param file - a path, `-` for standard input, undefined when none was named
 * @returns undefined when none was named
 * @throws {@link CommandError} when it is none that a header can hold
 */
export async function readToken(
  io: Io,
  environment: Pick<CliEnvironment, 'secret'>,
  file: string | undefined,
): Promise<Secret | undefined> {
  const text =
    file === undefined
      ? environment.secret('CHATKIT_MINT_TOKEN')?.().reveal()
      : (await readText(io, file)).trim()
  if (text === undefined) return undefined
  // RFC 6750 §2.1. Of another the HTTP client complains, and shows it.
  if (/^[\w.~+/-]+=*$/.test(text)) return new Secret(text)
  throw new CommandError(EXIT.config, 'what was given as token is not one (or is empty).')
}

async function readText(io: Io, file: string): Promise<string> {
  if (file === '-') return await readStandardInput(io)
  try {
    return readFileSync(file, 'utf8')
  } catch {
    throw new CommandError(EXIT.noInput, `cannot read ${file}; check path and permissions.`)
  }
}

async function readStandardInput(io: Io): Promise<string> {
  try {
    return (await readBounded(io.stdin, MAX_TOKEN_BYTES)).toString('utf8')
  } catch (error) {
    if (!(error instanceof TooLargeError)) throw error
    throw new CommandError(EXIT.config, 'standard input is longer than a token can be.')
  }
}
