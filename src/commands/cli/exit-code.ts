import { EXIT, type ExitCode } from './exit.ts'

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
 * @param code - also one that a newer service has
 */
export function exitCodeOf(code: string): ExitCode {
  if (NOT_PERMITTED.includes(code)) return EXIT.notPermitted
  if (TRY_LATER.includes(code)) return EXIT.tryLater
  return UNAVAILABLE.includes(code) ? EXIT.unavailable : EXIT.failed
}
