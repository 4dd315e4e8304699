// The exit codes of all commands, and the errors that end a command with one.

/** Exit codes, also listed in `--help`. Those from 64 on are of sysexits.h. */
export const EXIT = {
  ok: 0,
  /** The call was refused or failed, or the answer shows that something is left to do. */
  failed: 1,
  /** Unknown command or option, or an impossible value. Nothing was sent. */
  usage: 2,
  /** EX_USAGE, for commands started by `npm run`. */
  scriptUsage: 64,
  /** EX_NOINPUT: a file cannot be read. */
  noInput: 66,
  /** EX_UNAVAILABLE: service or API cannot be reached, or cannot answer. */
  unavailable: 69,
  /** EX_SOFTWARE: the demo does not work. */
  software: 70,
  /** EX_IOERR: a file cannot be written. */
  ioError: 74,
  /** EX_TEMPFAIL: too many calls; the same command works later. */
  tryLater: 75,
  /** EX_NOPERM: key or token is not accepted, or may not do this. */
  notPermitted: 77,
  /** EX_CONFIG: environment or config file is wrong or incomplete. */
  config: 78,
  /** As a shell reports SIGINT. */
  interrupted: 130,
  /** As a shell reports SIGPIPE: the reader of standard output has stopped (`| head`). */
  outputClosed: 141,
} as const

/** One of {@link EXIT}. */
export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

/** The exit codes of `chatkit-mint` with their texts in `--help`. */
export const EXIT_MEANINGS: readonly (readonly [ExitCode, string])[] = [
  [EXIT.ok, 'done'],
  [EXIT.failed, 'refused or failed, or something is left to do: the message says what'],
  [EXIT.usage, 'wrong command, option or value; nothing was sent'],
  [EXIT.noInput, 'a file cannot be read'],
  [EXIT.unavailable, 'service or API cannot be reached or cannot answer'],
  [EXIT.ioError, 'the output cannot be written'],
  [EXIT.tryLater, 'too many calls; try again later'],
  [EXIT.notPermitted, 'key or token is not accepted, or may not do this'],
  [EXIT.config, 'environment or config file is wrong or incomplete'],
  [EXIT.interrupted, 'interrupted'],
  [EXIT.outputClosed, 'nobody reads standard output any more (| head)'],
]

/**
 * The exit codes of other errors whose message says what to do. They are found by name, because importing their classes
 * would load config and store for every error.
 */
export const EXIT_OF_ERROR: Readonly<Record<string, ExitCode>> = {
  EnvironmentError: EXIT.config,
  SecretFileError: EXIT.config,
  ConfigError: EXIT.config,
  SetupError: EXIT.config,
  UnusableSettingError: EXIT.config,
  StoreUnusableError: EXIT.ioError,
}

/** Ends a command with a message on standard error, which says what to do, and an exit code. */
export class CommandError extends Error {
  override readonly name = 'CommandError'
  readonly exitCode: ExitCode

  /** @param message - one line or several, without the program's name, never with a key or token */
  constructor(exitCode: ExitCode, message: string) {
    super(message)
    this.exitCode = exitCode
  }
}

/** The error of a call that failed, or left something to do. */
export function failure(message: string): CommandError {
  return new CommandError(EXIT.failed, message)
}

/** The error of a wrong command line. */
export function wrongUse(message: string): CommandError {
  return new CommandError(EXIT.usage, message)
}

/** The error of an environment or config that is wrong or incomplete. */
export function misconfigured(message: string): CommandError {
  return new CommandError(EXIT.config, message)
}

/** The reader of standard output has stopped. This is not a fault, so no message is printed. */
export class OutputClosedError extends CommandError {
  constructor() {
    super(EXIT.outputClosed, '')
  }
}

const NOT_PERMITTED = [
  'missing_token',
  'invalid_token',
  'token_expired',
  'admin_required',
  'origin_not_allowed',
  'workflow_not_allowed',
  'claims_not_mapped',
  'user_blocked',
  'upstream_auth_failed',
]
const TRY_LATER = ['rate_limited', 'session_limit', 'upstream_rate_limited', 'overloaded']
const UNAVAILABLE = [
  'upstream_unavailable',
  'upstream_timeout',
  'idp_unavailable',
  'store_unavailable',
  'shutting_down',
  'request_timeout',
]

/**
 * The exit code for a public error code of the service.
 *
 * @param code - may also be one that only a newer service has
 */
export function exitCodeOf(code: string): ExitCode {
  if (NOT_PERMITTED.includes(code)) return EXIT.notPermitted
  if (TRY_LATER.includes(code)) return EXIT.tryLater
  return UNAVAILABLE.includes(code) ? EXIT.unavailable : EXIT.failed
}
