// Options and arguments that several commands take, checked before anything is sent.

import { Argument, type Command, InvalidArgumentError, Option } from 'commander'
import {
  parseSessionId,
  parseThreadId,
  parseUserId,
  type SessionId,
  type ThreadId,
  type UserId,
} from '../../lib/ids.ts'
import { CommandError, EXIT } from './exit.ts'

/** `chatkit-mint …` lines for a command's help. */
export function examples(...lines: readonly string[]): string {
  return `\nExamples:\n${lines.map((line) => `  chatkit-mint ${line}`).join('\n')}`
}

/**
 * Adds an id to a command, as an argument or as the reference's flag. {@link oneId} reads it.
 *
 * @param flag - as in `--thread-id`
 */
export function withId(
  command: Command,
  flag: string,
  parse: (text: string) => SessionId | ThreadId,
): Command {
  return command
    .addArgument(new Argument('[id]', `in the place of ${flag}`).argParser(parse))
    .addOption(new Option(`${flag} <id>`, 'or the id alone, without a flag').argParser(parse))
}

/**
 * The id that was given as argument or as flag.
 *
 * @throws {@link CommandError} when there is none, or there are two
 */
export function oneId<T>(flag: string, argument: T | undefined, option: T | undefined): T {
  const id = option ?? argument
  if (id === undefined) {
    throw new CommandError(EXIT.usage, `required option '${flag} <id>' not specified, and no id`)
  }
  if (argument === undefined || argument === id) return id
  throw new CommandError(EXIT.usage, `two ids: one alone, another with ${flag}`)
}

/** This parser and those below throw `InvalidArgumentError`, as commander expects. */
export function sessionId(text: string): SessionId {
  return parseSessionId(text) ?? noId()
}

export function threadId(text: string): ThreadId {
  return parseThreadId(text) ?? noId()
}

function noId(): never {
  throw new InvalidArgumentError('An id has 1 to 128 letters, digits, "_" and "-".')
}

/** A ChatKit user that the mapping of claims could yield. */
export function user(text: string): UserId {
  const parsed = parseUserId(text)
  if (parsed !== undefined) return parsed
  throw new InvalidArgumentError(
    'A user has 1 to 512 characters, none of them a control character, and is not "." or "..".',
  )
}

/** Adds the user of `users …`, as an argument or as a flag. {@link oneUser} reads it. */
export function withUser(command: Command): Command {
  return command
    .addArgument(new Argument('[user]', 'the ChatKit user').argParser(user))
    .addOption(new Option('--user <user>', 'or the user alone, without a flag').argParser(user))
}

/**
 * The user that was given as argument or as `--user`.
 *
 * @throws {@link CommandError} when there is none, or there are two
 */
export function oneUser(argument: UserId | undefined, option: UserId | undefined): UserId {
  const who = option ?? argument
  if (who === undefined) {
    throw new CommandError(EXIT.usage, 'no user is named: give the user, alone or with --user.')
  }
  if (argument === undefined || argument === who) return who
  throw new CommandError(EXIT.usage, 'two users: one alone, another with --user')
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

const ISO_TIME = /^\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d))?$/

/**
 * A time as Unix seconds: a number of them, or ISO 8601 with its zone; a day alone is its beginning in UTC.
 */
export function moment(text: string): number {
  const ms = ISO_TIME.test(text) && isDay(text.slice(0, 10)) ? Date.parse(text) : Number.NaN
  const seconds = /^\d{1,12}$/.test(text) ? Number(text) : Math.floor(ms / 1000)
  if (seconds >= 0) return seconds
  throw new InvalidArgumentError(
    'It must be Unix seconds, or a time such as 2026-11-26T03:00:00Z or 2026-11-26T03:00+01:00.',
  )
}

/** Whether the calendar has a day. `Date` takes 30 February for 2 March. */
function isDay(day: string): boolean {
  const ms = Date.parse(day)
  return !Number.isNaN(ms) && new Date(ms).toISOString().startsWith(day)
}

/** `--config FILE`, for the commands that read the service's own config. */
export function configOption(): Option {
  return new Option('--config <file>', 'the config file, instead of CONFIG_FILE')
}
