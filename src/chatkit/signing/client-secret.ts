// The type, audience and claim that distinguish a client secret from the other tokens of this service.

import type { WorkflowName } from '../../lib/ids.ts'

/** Header `typ` of a client secret, so that no other token of ours is accepted as one. */
export const CLIENT_SECRET_TYPE = 'chatkit-secret+jwt'

/** Claim with the number of requests that the session may make in a minute. */
export const PER_MINUTE_CLAIM = 'max_requests_per_1_minute'

const AUDIENCE = 'chatkit:'

/**
 * The audience of a workflow's client secrets.
 *
 * @param workflow - name in the config
 */
export function audienceOf(workflow: WorkflowName): string {
  return AUDIENCE + workflow
}

/** Whether a token claims to be for a workflow here, as client secrets do. */
export function isAudience(aud: unknown): boolean {
  return typeof aud === 'string' && aud.startsWith(AUDIENCE)
}
