// Options and arguments that several commands take, checked before anything is sent.

import { type Command, InvalidArgumentError, Option } from 'commander'
import {
  parseSessionId,
  parseThreadId,
  parseUserId,
  type SessionId,
  type ThreadId,
  type UserId,
} from '../../lib/ids.ts'
import { wrongUse } from './exit.ts'

/** `chatkit-mint …` lines for a command's help. */
export function examples(...lines: readonly string[]): string {
  return `\nExamples:\n${lines.map((line) => `  chatkit-mint ${line}`).join('\n')}`
}

/** This parser and those below throw `InvalidArgumentError`, as commander expects. */
function sessionId(text: string): SessionId {
  return parseSessionId(text) ?? noId()
}

function threadId(text: string): ThreadId {
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

/** What a command is about: an argument, or a flag in its place. */
interface Subject<T> {
  readonly name: 'id' | 'user'
  readonly flag: string
  readonly what: string
  readonly parse: (text: string) => T
}

export const USER: Subject<UserId> = {
  name: 'user',
  flag: '--user',
  what: 'the ChatKit user',
  parse: user,
}
export const SESSION: Subject<SessionId> = {
  name: 'id',
  flag: '--session-id',
  what: 'the session',
  parse: sessionId,
}
export const THREAD: Subject<ThreadId> = {
  name: 'id',
  flag: '--thread-id',
  what: 'the thread',
  parse: threadId,
}

/** Adds the subject to a command. {@link oneSubject} reads it. */
export function withSubject<T>(command: Command, { name, flag, what, parse }: Subject<T>): Command {
  const alone = `the same as the ${name} alone, without a flag`
  return command.argument(`[${name}]`, what, parse).option(`${flag} <${name}>`, alone, parse)
}

/**
 * The subject that was given as argument or as flag.
 *
 * @throws {@link CommandError} when there is none, or there are two
 */
export function oneSubject<T>(
  { name, flag }: Subject<T>,
  argument: T | undefined,
  option: T | undefined,
): T {
  const given = option ?? argument
  if (given === undefined) {
    const message = `no ${name} is named: give the ${name}, alone or with ${flag}.`
    throw wrongUse(message)
  }
  if (argument === undefined || argument === given) return given
  throw wrongUse(`two ${name}s: one alone, another with ${flag}`)
}

/** Text of at least one character. */
export function someText(text: string): string {
  if (text !== '') return text
  throw new InvalidArgumentError('It must not be empty.')
}

/** A whole number; both bounds are allowed. */
export function wholeNumber(minimum: number, maximum: number): (text: string) => number {
  return (text) => {
    const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN
    if (value >= minimum && value <= maximum) return value
    throw new InvalidArgumentError(`It must be a whole number from ${minimum} to ${maximum}.`)
  }
}

const ISO_TIME = /^\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d))?$/

/** A time as Unix seconds: a number of them, or ISO 8601 with its zone; a day alone is its beginning in UTC. */
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
