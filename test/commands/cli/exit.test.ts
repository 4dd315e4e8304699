import { expect, test } from 'vitest'
import { EXIT, exitCodeOf } from '../../../src/commands/cli/exit.ts'
import { CODES } from '../../../src/respond/codes.ts'

const BY_STATUS: Readonly<Record<number, number>> = {
  401: EXIT.notPermitted,
  403: EXIT.notPermitted,
  408: EXIT.unavailable,
  429: EXIT.tryLater,
  503: EXIT.unavailable,
  504: EXIT.unavailable,
}
/** Codes that say more than their status. */
const BY_CODE: Readonly<Record<string, number>> = {
  overloaded: EXIT.tryLater,
  upstream_rate_limited: EXIT.tryLater,
  upstream_auth_failed: EXIT.notPermitted,
}

test.each(Object.entries(CODES).map(([code, { status }]) => [code, status] as const))(
  'an answer with %s (%i) has the exit code that the help gives for its kind',
  (code, status) => {
    expect(exitCodeOf(code)).toBe(BY_CODE[code] ?? BY_STATUS[status] ?? EXIT.failed)
  },
)
