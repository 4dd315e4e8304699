import { type DestinationStream, type Logger, pino } from 'pino'

/** The service's log: pino, JSON lines. */
export type Log = Logger

/**
 * What a key, a client secret or a JWT looks like, in whatever text it may have come to stand. In a
 * line of JSON it can follow an escape: the `n` of `\n` is no letter of a longer word.
 */
const CREDENTIAL = /(?:\b|(?<=\\[bfnrt]|\\u[0-9a-f]{4}))(?:sk-|ek_|eyJ)[\w.-]{6,}/g

/**
 * Takes out of a text what looks like a credential. The net under everything else: reasons and
 * messages are written without secrets in the first place.
 *
 * @param text - on its way to the log
 */
export function scrub(text: string): string {
  return text.replace(CREDENTIAL, '[redacted]')
}

/**
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
    options.destination ?? pino.destination({ fd: 1, sync: true }),
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
