// The log of the service: JSON lines (or text) on standard output, with everything that looks like a credential
// redacted.
import { type DestinationStream, pino } from 'pino'
import type { LogFields } from './log-fields.ts'
import { logText } from './log-text.ts'
import { scrub } from './secret.ts'

/** Writes a line: fields and a message, or only a message. */
interface WriteLine {
  (message: string): void
  (fields: LogFields, message: string): void
}

/** The service's log: pino, JSON lines. */
export type Log = Readonly<Record<'debug' | 'info' | 'warn' | 'error' | 'fatal', WriteLine>>

export type LogFormat = 'json' | 'text'

/** Lines are written in batches: at 64 Ki characters, or after 20 ms. */
const TOGETHER = { minLength: 65_536, maxWrite: 131_072, periodicFlush: 20 }
/**
 * Most characters that wait for standard output. If its reader hangs, further lines are lost, but memory stays
 * bounded.
 */
const MOST_WAITING = 16 * 1024 * 1024

/**
 * Lines for standard output are written in batches, so that a request does not wait for its line.
 * Waiting lines are written when the process exits (not when it is killed), and before `fatal` returns.
 *
 * @param level - a pino level
 * @param format - JSON lines when absent
 * @param destination - standard output when absent
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
    destination ?? (level === 'silent' ? NOWHERE : standardOutput()),
  )
}

/** A silent log needs no stream, whose timer would run as long as the process. */
const NOWHERE: DestinationStream = { write() {} }

function standardOutput(): DestinationStream {
  return pino.destination({ fd: 1, sync: false, maxLength: MOST_WAITING, ...TOGETHER })
}

/** Name, message, code and stack of an error and of its causes; no other property is printed. */
function describeError(error: unknown, depth = 0): Record<string, unknown> {
  if (!(error instanceof Error)) return { message: typeof error }
  const code = 'code' in error && typeof error.code === 'string' ? { code: error.code } : {}
  const cause =
    error.cause === undefined || depth > 3 ? {} : { cause: describeError(error.cause, depth + 1) }
  return { type: error.name, message: error.message, ...code, stack: error.stack, ...cause }
}
