// Derives what a route's definition does not write: the security schemes and error codes that follow
// from its checks and its body.

import type { ErrorCode } from '../../lib/errors.ts'
import {
  BODY,
  type CheckName,
  type RouteDefinition,
  type SecurityScheme,
} from '../route-definition.ts'

/** Codes that every route can answer, below and around the handlers. */
const ANYWHERE = [
  'invalid_request',
  'origin_not_allowed',
  'not_found',
  'method_not_allowed',
  'request_timeout',
  'expectation_failed',
  'headers_too_large',
  'internal_error',
] as const satisfies readonly ErrorCode[]

/** Codes of a caller's token, and of the store that is asked for a caller who is known. */
const CALLER = [
  'missing_token',
  'invalid_token',
  'token_expired',
  'rate_limited',
  'idp_unavailable',
  'store_unavailable',
] as const satisfies readonly ErrorCode[]

interface Derived {
  readonly security: readonly SecurityScheme[]
  readonly problems: readonly ErrorCode[]
}

const OF_CHECK: Readonly<Record<CheckName, Derived>> = {
  user: { security: ['userToken'], problems: [...CALLER, 'claims_not_mapped'] },
  admin: { security: ['adminToken'], problems: [...CALLER, 'admin_required'] },
  introspector: {
    security: ['introspector', 'adminToken'],
    problems: [...CALLER, 'admin_required'],
  },
}

/** Ways to be let in; any one of them is enough, and none is asked for where there are none. */
export function securityOf({ checks, credentials = [] }: RouteDefinition): SecurityScheme[] {
  return [...checks.flatMap((check) => OF_CHECK[check].security), ...credentials]
}

/** Every error code that a route can answer. */
export function problemsOf({ checks, requestBody, problems = [] }: RouteDefinition): ErrorCode[] {
  return [
    ...ANYWHERE,
    ...checks.flatMap((check) => OF_CHECK[check].problems),
    ...(requestBody ? BODY : []),
    ...problems,
  ]
}
