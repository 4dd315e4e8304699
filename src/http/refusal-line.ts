// Says in the log why a request was refused, how bad that is, and which command shows more.

import { type ErrorCode, ServiceError } from '../lib/errors.ts'
import { reasonOf } from '../lib/show.ts'

const EXPLAIN = 'npx chatkit-mint jwt explain'
const DOCTOR = 'npx chatkit-mint doctor'

/** Commands that find the cause of a refusal. */
const HELP: Partial<Record<ErrorCode, string>> = {
  invalid_token: EXPLAIN,
  claims_not_mapped: EXPLAIN,
  workflow_not_allowed: EXPLAIN,
  admin_required: EXPLAIN,
  upstream_rejected: DOCTOR,
  upstream_auth_failed: DOCTOR,
  workflow_unavailable: DOCTOR,
  upstream_invalid_response: DOCTOR,
  upstream_unavailable: DOCTOR,
  upstream_timeout: DOCTOR,
  idp_unavailable: DOCTOR,
  store_unavailable: DOCTOR,
}

/**
 * The part of a request's log line that explains a failure. The reasons of the error and of its causes are enough for
 * a failure that was foreseen; only an unforeseen one needs its stack.
 */
export function refusalLine(error: unknown, status: number) {
  const level: 'info' | 'warn' | 'error' = status < 500 ? 'info' : 'error'
  if (!(error instanceof ServiceError)) return { level, err: status < 500 ? undefined : error }
  const { code } = error
  // A 404 of a ChatKit server is for the operator: its path is wrong, or it has lost a thread of a user.
  const isLost = status === 404 && error.upstream === 'self-hosted'
  // A backend gets 404 for a workflow that OpenAI has ended. It cannot help that, and no other line tells of it.
  const isGone = code === 'workflow_unavailable' && status < 500
  return {
    // Overload causes many of these lines when CPU time is short.
    level: code === 'overloaded' || isLost || isGone ? ('warn' as const) : level,
    code,
    reason: status < 500 ? error.reason : reasonOf(error),
    help: isLost ? DOCTOR : HELP[code],
    err: code === 'internal_error' ? error : undefined,
  }
}
