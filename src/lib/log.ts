// The log of the service: JSON lines (or text), with everything that looks like a credential redacted.

import { type DestinationStream, pino } from 'pino'
import type { LogFields } from './log/fields.ts'
import { logText } from './log/text.ts'
import { scrub } from './secret.ts'

/** Writes a line: fields and a message, or only a message. */
interface WriteLine {
  (message: string): void
  (fields: LogFields, message: string): void
}

/** The service's log: pino, JSON lines. */
export type Log = Readonly<Record<'debug' | 'info' | 'warn' | 'error' | 'fatal', WriteLine>>

export type LogFormat = 'json' | 'text'

/**
 * Makes a log. If its destination has `flushSync`, that is called before `fatal` returns.
 *
 * @param level - a pino level
 * @param format - JSON lines when absent
 * @param destination - when absent, nothing is written
 */
export function createLog({
  level,
  format = 'json',
  destination,
}: {
  level: string
  format?: LogFormat
  destination?: DestinationStream
}): Log {
  return pino(
    {
      level,
      base: null,
      serializers: { err: describeError },
      hooks: { streamWrite: format === 'json' ? scrub : (line) => logText(scrub(line)) },
    },
    destination ?? NOWHERE,
  )
}

const NOWHERE: DestinationStream = { write() {} }

/** Name, message, code and stack of an error and of its causes; no other property is printed. */
function describeError(error: unknown, depth = 0): Record<string, unknown> {
  if (!(error instanceof Error)) return { message: typeof error }
  const code = 'code' in error && typeof error.code === 'string' ? { code: error.code } : {}
  const cause =
    error.cause === undefined || depth > 3 ? {} : { cause: describeError(error.cause, depth + 1) }
  return { type: error.name, message: error.message, ...code, stack: error.stack, ...cause }
}
