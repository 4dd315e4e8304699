// Options and arguments that several commands take, checked before anything is sent.

import { Argument, InvalidArgumentError, Option } from 'commander'
import {
  parseSessionId,
  parseThreadId,
  parseUserId,
  type SessionId,
  type ThreadId,
  type UserId,
} from '../../lib/ids.ts'

const MAX_CURSOR = 2048

/** `--after`, `--before`, `--limit`, `--order`, as the reference has them. */
export interface ListFlags {
  readonly after?: string
  readonly before?: string
  readonly limit?: number
  readonly order?: 'asc' | 'desc'
}

/**
 * The list options of the reference.
 *
 * @param what - of what, in the plural
 */
export function listOptions(what: string): Option[] {
  return [
    new Option('--after <id>', `${what} after this one`).argParser(cursor),
    new Option('--before <id>', `${what} before this one`).argParser(cursor),
    new Option('--limit <number>', 'how many, 0 to 100; 20 when absent').argParser(limit),
    new Option('--order <order>', 'by creation time; desc when absent').choices(['asc', 'desc']),
  ]
}

/**
 * Each of these parsers throws `InvalidArgumentError`, as commander wants it.
 */
export function sessionId(text: string): SessionId {
  return parseSessionId(text) ?? noId()
}

export function threadId(text: string): ThreadId {
  return parseThreadId(text) ?? noId()
}

function noId(): never {
  throw new InvalidArgumentError('An id has 1 to 128 letters, digits, "_" and "-".')
}

/** A ChatKit user, as the mapping of claims makes them. */
export function user(text: string): UserId {
  const parsed = parseUserId(text)
  if (parsed !== undefined) return parsed
  throw new InvalidArgumentError(
    'A user has 1 to 512 characters, none of them a control character, and is not "." or "..".',
  )
}

/** The positional user of `users …`. */
export function userArgument(): Argument {
  return new Argument('<user>', 'the ChatKit user').argParser(user)
}

/** Text of at least one character. */
export function someText(text: string): string {
  if (text !== '') return text
  throw new InvalidArgumentError('It must not be empty.')
}

/**
 * A whole number.
 *
 * @param minimum - and
 * @param maximum - inclusive
 */
export function wholeNumber(minimum: number, maximum: number): (text: string) => number {
  return (text) => {
    const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN
    if (value >= minimum && value <= maximum) return value
    throw new InvalidArgumentError(`It must be a whole number from ${minimum} to ${maximum}.`)
  }
}

const limit = wholeNumber(0, 100)

function cursor(text: string): string {
  if (text !== '' && text.length <= MAX_CURSOR) return text
  throw new InvalidArgumentError(`It must have 1 to ${MAX_CURSOR} characters.`)
}
