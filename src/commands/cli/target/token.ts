// Reads the admin's token from a file, standard input or the environment.

import type { CliEnvironment } from '../../../config/cli-environment.ts'
import { cannotRead } from '../../../config/secret-file.ts'
import { readFileBounded, TooLargeError } from '../../../lib/read-bounded.ts'
import { Secret } from '../../../lib/secret.ts'
import { CommandError, EXIT, misconfigured } from '../exit.ts'
import { type Io, readInput } from '../io.ts'

/** Longer than any token that the service accepts. */
const MAX_TOKEN_BYTES = 16 * 1024

/**
 * The admin's token: from the file that was named, else from `CHATKIT_MINT_TOKEN` or the file in
 * `CHATKIT_MINT_TOKEN_FILE`. There is no option for the token itself: arguments of a process can be
 * read by everyone on the machine.
 *
 * @param file - a path, `-` for standard input, undefined when none was named
 * @returns undefined when there is no token
 * @throws {@link CommandError} when a header cannot hold it
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
  // The characters of RFC 6750 §2.1. With others the HTTP client would throw an error that quotes the token.
  if (/^[\w.~+/-]+=*$/.test(text)) return new Secret(text)
  throw misconfigured(
    'the text given as token is empty, or has characters that no token has; give it alone, without quotes and "Bearer".',
  )
}

async function readText(io: Io, file: string): Promise<string> {
  const tooLong = (what: string) => misconfigured(`${what} is longer than a token can be.`)
  if (file === '-') return await readInput(io, MAX_TOKEN_BYTES, tooLong('standard input'))
  try {
    return readFileBounded(file, MAX_TOKEN_BYTES).toString()
  } catch (error) {
    if (error instanceof TooLargeError) throw tooLong(file)
    throw new CommandError(EXIT.noInput, `--token-file: ${cannotRead(file)}.`)
  }
}
