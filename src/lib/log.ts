import { type DestinationStream, type Logger, pino } from 'pino'

/** The service's log: pino, JSON lines. */
export type Log = Logger

/**
 * What a key, a client secret or a JWT looks like, in whatever text it may have come to stand. In a
 * line of JSON it can follow an escape: the `n` of `\n` is no letter of a longer word.
 */
const CREDENTIAL = /(?:\b|(?<=\\[bfnrt]|\\u[0-9a-f]{4}))(?:sk-|ek_|eyJ)[\w.-]{6,}/g
/** What each of them begins with: a line without any is not searched further, which most are. */
const BEGINNINGS = ['sk-', 'ek_', 'eyJ']

/** Lines are written together, when there are so many characters of them or so much time has passed. */
const TOGETHER = { minLength: 65_536, maxWrite: 131_072, periodicFlush: 20 }
/** A reader of standard output that hangs costs lines, not the process its memory. */
const MOST_WAITING = 16 * 1024 * 1024

/**
 * Takes out of a text what looks like a credential. The net under everything else: reasons and
 * messages are written without secrets in the first place.
 *
 * @param text - on its way to the log
 */
export function scrub(text: string): string {
  if (!BEGINNINGS.some((beginning) => text.includes(beginning))) return text
  return text.replace(CREDENTIAL, '[redacted]')
}

/**
 * Lines for standard output wait a moment, so that a request does not wait for its line. What waits is
 * written when the process ends, in whatever way it gets to say so, and before `fatal` returns.
 *
 * @param options - `level`, a pino level; `destination`, standard output when absent
 */
export function createLog(options: { level: string; destination?: DestinationStream }): Log {
  return pino(
    {
      level: options.level,
      base: null,
      serializers: { err: describeError },
      hooks: { streamWrite: scrub },
    },
    options.destination ??
      pino.destination({ fd: 1, sync: false, maxLength: MOST_WAITING, ...TOGETHER }),
  )
}

/** Name, message, code and stack of an error and of its causes; no other property is printed. */
function describeError(error: unknown, depth = 0): Record<string, unknown> {
  if (!(error instanceof Error)) return { message: typeof error }
  const code = 'code' in error && typeof error.code === 'string' ? { code: error.code } : {}
  const cause =
    error.cause === undefined || depth > 3 ? {} : { cause: describeError(error.cause, depth + 1) }
  return { type: error.name, message: error.message, ...code, stack: error.stack, ...cause }
}
