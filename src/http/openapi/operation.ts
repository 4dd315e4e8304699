// Derives security schemes and error codes from the checks and the body of a route's definition.

import type { ErrorCode } from '../../lib/errors.ts'
import {
  BODY,
  type CheckName,
  type RouteDefinition,
  type SecurityScheme,
} from '../route-definition.ts'

/** Codes that every route can answer, whatever its handler does. */
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

/** Codes of every check of a token, and of the store, which all these routes need. */
const CALLER = [
  'missing_token',
  'invalid_token',
  'token_expired',
  'rate_limited',
  'idp_unavailable',
  'store_unavailable',
] as const satisfies readonly ErrorCode[]

/** Codes of a check that only admins pass. */
const ADMIN = [
  ...CALLER,
  'admin_required',
  'claims_not_mapped',
  'user_blocked',
] as const satisfies readonly ErrorCode[]

/** Codes of a check that only backends pass. */
const BACKEND = [
  'missing_token',
  'invalid_token',
  'rate_limited',
  'store_unavailable',
] as const satisfies readonly ErrorCode[]

/** Codes that backends never get. They get a 400 about the parameters, or a 404 about the workflow. */
const NOT_FOR_BACKENDS: readonly ErrorCode[] = ['unsupported_media_type', 'workflow_unavailable']

interface Derived {
  readonly security: readonly SecurityScheme[]
  readonly problems: readonly ErrorCode[]
}

const OF_CHECK: Readonly<Record<CheckName, Derived>> = {
  user: { security: ['userToken'], problems: [...CALLER, 'claims_not_mapped'] },
  reads: { security: [], problems: ['rate_limited'] },
  admin: { security: ['adminToken'], problems: ADMIN },
  introspector: { security: ['introspector', 'adminToken'], problems: ADMIN },
  backend: { security: ['apiKey'], problems: BACKEND },
}

/** Accepted credentials, any one of which is enough; empty where none is required. */
export function securityOf({ checks, credentials = [] }: RouteDefinition): SecurityScheme[] {
  return [...checks.flatMap((check) => OF_CHECK[check].security), ...credentials]
}

/** Every error code that a route can answer. */
export function problemsOf({ checks, requestBody, problems = [] }: RouteDefinition): ErrorCode[] {
  const all = [
    ...ANYWHERE,
    ...checks.flatMap((check) => OF_CHECK[check].problems),
    ...(requestBody ? BODY : []),
    ...problems,
  ]
  return checks.includes('backend') ? all.filter((code) => !NOT_FOR_BACKENDS.includes(code)) : all
}
