// The log of the service: JSON lines (or text), with everything that looks like a credential redacted.

import { type DestinationStream, pino } from 'pino'
import type { LogFields } from './log/fields.ts'
import { lineOf } from './log/output.ts'
import { logText } from './log/text.ts'

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
  const hooks = format === 'json' ? {} : { streamWrite: logText }
  const log = pino({ level, base: null, hooks }, destination ?? NOWHERE)
  return Object.assign(log, { [pino.symbols.asJsonSym]: lineOf })
}

const NOWHERE: DestinationStream = { write() {} }
