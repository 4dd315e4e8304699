// Reads a secret from a file, and reads it again when the file changes.

import { isUtf8 } from 'node:buffer'
import { existsSync, statSync } from 'node:fs'
import { isAbsolute } from 'node:path'
import { readFileBounded, TooLargeError } from '../lib/read-bounded.ts'
import { fixedSecret, Secret } from '../lib/secret.ts'

/** Gives the current value of a secret; cheap enough for every request. */
export interface SecretSource {
  (): Secret
  /** Whether the value never changes. */
  readonly isFixed?: true
}

/** Milliseconds between two looks at the file. */
const LOOK_EVERY_MS = 1000

/** More than a hundred private keys take. */
const MAX_BYTES = 256 * 1024

/** The file of a `_FILE` variable cannot be used. The message names variable and path, no content. */
export class SecretFileError extends Error {
  override readonly name = 'SecretFileError'
}

/**
 * A secret kept in a file, as Docker and Kubernetes mount it. Read again when the file changes, so that keys
 * rotate without a restart; while it is missing, empty or being written, the last good value stays.
 *
 * @param variable - name of the environment variable, for messages
 * @param path - the file; white space around its content is dropped
 * @param options - `onLost` is called once when two looks in a row find no value, with a line for the log; `now` is a
 * clock that never goes back, in milliseconds
 * @throws {@link SecretFileError} when the file cannot be read at first
 */
export function secretFromFile(
  variable: string,
  path: string,
  { onLost, now = performance.now.bind(performance) }: SecretFileOptions = {},
): SecretSource {
  let lookedAt = now()
  let known = readFirst(variable, path)
  let failures = 0

  return () => {
    if (now() - lookedAt < LOOK_EVERY_MS) return known.secret
    lookedAt = now()
    try {
      if (stampOf(variable, path) !== known.stamp) known = readSecret(variable, path)
      failures = 0
    } catch (error) {
      // The file may be being replaced: keep the last value, and look again in a second.
      failures += 1
      if (failures === 2) onLost?.(`${problemOf(variable, path, error).message}; ${STAYS}`)
    }
    return known.secret
  }
}

/**
 * The signing keys in the file of `SIGNING_KEY_FILE`; their text has not been judged.
 *
 * @param problems - gets a line when the file cannot be read
 */
export function readSigningKeyFile(
  file: string | undefined,
  problems: string[],
): SecretSource | undefined {
  if (file === undefined) return undefined
  try {
    return secretFromFile('SIGNING_KEY_FILE', file)
  } catch (error) {
    if (!(error instanceof SecretFileError)) throw error
    problems.push(error.message)
    return fixedSecret('')
  }
}

interface SecretFileOptions {
  readonly onLost?: (line: string) => void
  readonly now?: () => number
}

const STAYS = 'the value before it stays in use, and the next start fails'

/** A value, with a stamp that differs once the file has changed. */
interface Reading {
  readonly stamp: string
  readonly secret: Secret
}

function readFirst(variable: string, path: string): Reading {
  try {
    return readSecret(variable, path)
  } catch (error) {
    throw problemOf(variable, path, error)
  }
}

function problemOf(variable: string, path: string, cause: unknown): SecretFileError {
  if (cause instanceof SecretFileError) return cause
  const problem =
    cause instanceof TooLargeError
      ? `${path} is longer than ${MAX_BYTES / 1024} KiB, which no secret is`
      : cannotRead(path)
  return new SecretFileError(`${variable}: ${problem}`, { cause })
}

/**
 * The end of a message about a file of secrets that cannot be read. Somebody may have put the secret where its path
 * belongs, so a text is only shown if it must be a path: its first folder is there, it is absolute without a capital
 * (long base64 has some), or it has the ending of such files.
 */
export function cannotRead(path: string): string {
  const [, firstFolder] = /^([\\/]?[^\\/]+)[\\/]/.exec(path) ?? []
  const isPath =
    (firstFolder !== undefined && existsSync(firstFolder)) ||
    (isAbsolute(path) && !/[A-Z]/.test(path)) ||
    /^[\w./-]+\.(?:json|txt|pem|key)$/.test(path)
  return isPath
    ? `cannot read ${path}; check path and permissions`
    : 'cannot read the file that it names, which is not shown, as it may be the secret itself; give the path of a file'
}

function readSecret(variable: string, path: string): Reading {
  // The stamp is read first: a change between the two reads is then seen at the next look.
  const stamp = stampOf(variable, path)
  const bytes = readFileBounded(path, MAX_BYTES)
  // Otherwise each byte that is no text would become the same character. UTF-16 of ASCII is UTF-8, but full of zeros.
  if (!isUtf8(bytes) || bytes.includes(0)) {
    throw new SecretFileError(`${variable}: ${path} is not UTF-8 text; save it as UTF-8`)
  }
  const text = bytes.toString().trim()
  if (text === '') throw new SecretFileError(`${variable}: ${path} is empty`)
  return { stamp, secret: new Secret(text) }
}

function stampOf(variable: string, path: string): string {
  const file = statSync(path)
  // Reading a pipe waits for its writer, and this process answers nobody meanwhile.
  if (!file.isFile()) {
    const kind = file.isDirectory()
      ? 'a folder, which Docker makes where the file to mount is missing'
      : 'a pipe or device'
    throw new SecretFileError(`${variable}: ${path} is ${kind}; name a regular file`)
  }
  return `${file.mtimeMs}:${file.size}:${file.ino}`
}
