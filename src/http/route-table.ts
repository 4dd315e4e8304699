// The table of all routes, mounted or not, in the order in which the API description has them. Pages of the
// console are not part of it.

import { AUDIT_ROUTES } from './admin/audit.ts'
import { KNOWN_USER_ROUTES } from './admin/known-users.ts'
import { RECEIPT_ROUTES } from './admin/receipt.ts'
import { SESSIONS_ROUTES } from './admin/sessions.ts'
import { ANY_THREAD_ROUTES } from './admin/threads.ts'
import { USER_DATA_ROUTES } from './admin/user-data.ts'
import { USER_ROUTES } from './admin/users.ts'
import { BACKEND_ROUTES } from './backend/routes.ts'
import { CLIENT_ROUTES } from './docs/client-files.ts'
import { DOCS_ROUTES } from './docs/docs.ts'
import { OPENAPI_ROUTES } from './openapi/openapi.ts'
import type { RouteDefinitions } from './route-definition.ts'
import { LOGOUT_ROUTES } from './routes/backchannel-logout.ts'
import { GATEWAY_ROUTES } from './routes/gateway.ts'
import { HEALTH_ROUTES } from './routes/health.ts'
import { INTROSPECT_ROUTES } from './routes/introspect-routes.ts'
import { SESSION_ROUTES } from './routes/sessions.ts'
import { OWN_THREAD_ROUTES } from './routes/threads.ts'

/** By operation id. */
export const ROUTES = {
  ...SESSION_ROUTES,
  ...LOGOUT_ROUTES,
  ...OWN_THREAD_ROUTES,
  ...ANY_THREAD_ROUTES,
  ...GATEWAY_ROUTES,
  ...INTROSPECT_ROUTES,
  ...SESSIONS_ROUTES,
  ...KNOWN_USER_ROUTES,
  ...USER_ROUTES,
  ...AUDIT_ROUTES,
  ...USER_DATA_ROUTES,
  ...RECEIPT_ROUTES,
  ...BACKEND_ROUTES,
  ...HEALTH_ROUTES,
  ...CLIENT_ROUTES,
  ...DOCS_ROUTES,
  ...OPENAPI_ROUTES,
} satisfies RouteDefinitions
