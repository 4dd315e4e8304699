// Makes the app: the order of middleware, and the handler of each route that is configured.

import { type Handler, Hono } from 'hono'
import type { SigningKeys } from './chatkit/signing/signing-keys.ts'
import type { Settings } from './config/settings.ts'
import type { CreateConsole } from './console/console.ts'
import { addRoute, noSuchRoute, RouteFinder, withHandlers } from './http/add-route.ts'
import { listAudit } from './http/admin/audit.ts'
import { listUsers } from './http/admin/known-users.ts'
import { userReceipt } from './http/admin/receipt.ts'
import { adminSessions } from './http/admin/sessions.ts'
import { anyThreads } from './http/admin/threads.ts'
import { userData } from './http/admin/user-data.ts'
import { adminUsers } from './http/admin/users.ts'
import { type CallerOf, requireAdmin, requireUser } from './http/authentication.ts'
import { apiErrorAnswer } from './http/backend/api-error.ts'
import { type Operations, operationHandlers } from './http/backend/operations.ts'
import { requireBackend } from './http/backend/require-backend.ts'
import type { AppContext, AppEnv } from './http/context.ts'
import { clientFiles } from './http/docs/client-files.ts'
import { createDocs } from './http/docs/docs.ts'
import type { FailedAuth } from './http/failed-auth.ts'
import { answerOpenApi } from './http/openapi/openapi.ts'
import { isBackendPath, type Origins } from './http/origins.ts'
import { createUserLimit } from './http/rate-limits.ts'
import { type AnswerSeen, answerError, requestFrame } from './http/request-frame.ts'
import type { HandlersOf } from './http/route-definition.ts'
import { ROUTES } from './http/route-table.ts'
import { backchannelLogout } from './http/routes/backchannel-logout.ts'
import { answerLive, answerReady } from './http/routes/health.ts'
import { answerKeySet, introspect, requireIntrospector } from './http/routes/introspect.ts'
import { auditMints, createSession, signOut } from './http/routes/sessions.ts'
import { ownThreads } from './http/routes/threads.ts'
import type { Clock } from './lib/clock.ts'
import type { Log } from './lib/log.ts'
import type { MemoryBudget } from './lib/shares/memory-budget.ts'
import type { Audit } from './registry/audit.ts'
import type { Registry } from './registry/port.ts'

/** Parts of the service that routes are made from; `service.ts` builds each once. */
export interface AppParts {
  readonly settings: Settings
  readonly publicUrl: string | undefined
  /** Whether the API reference has forms that call this service. */
  readonly docsTryIt: boolean
  readonly origins: Origins
  readonly identityProviders: ConsoleParts['signIn']['dispatcher']
  readonly secret: ConsoleParts['signIn']['secret']
  readonly registry: Registry
  readonly audit: Audit
  readonly failedAuth: FailedAuth
  readonly callerOf: CallerOf
  readonly userOf: Parameters<typeof requireUser>[0]['userOf']
  readonly mint: Parameters<typeof createSession>[0]['mint']
  readonly revoke: Parameters<typeof signOut>[0]['revoke']
  readonly threads: Parameters<typeof ownThreads>[0]['threads']
  readonly administer: ConsoleParts['administer']
  readonly checkStanding: Parameters<typeof ownThreads>[0]['checkStanding']
  readonly verifyLogoutToken: Parameters<typeof backchannelLogout>[0]['verifyLogoutToken']
  readonly figures: ConsoleParts['figures']
  readonly readiness: Parameters<typeof answerReady>[0]
  readonly onAnswer: (answer: AnswerSeen) => void
  readonly memory: MemoryBudget
  readonly now: Clock
  readonly log: Log
  /** Undefined when the config has no console: it is not even loaded then. */
  readonly createConsole: CreateConsole | undefined
  /** Undefined when the config has no API keys. */
  readonly backend: Operations<AppEnv> | undefined
  /** Undefined when nothing of ours is signed. */
  readonly signingKeys: SigningKeys | undefined
  /** Undefined when every workflow is at OpenAI. */
  readonly selfHosted: SelfHostedParts | undefined
}

type ConsoleParts = Parameters<CreateConsole>[0]

/** Parts of the routes of self-hosted workflows. */
export interface SelfHostedParts {
  readonly publicUrl: string
  readonly keys: SigningKeys
  readonly gateway: Handler<AppEnv>
}

/** Puts the layers in order and adds every URL. */
export function createApp(parts: AppParts): Hono<AppEnv> {
  const { settings, origins, callerOf, userOf, audit, failedAuth, checkStanding } = parts
  const { registry, now } = parts
  const { admins, introspectionClients } = settings
  const admin = admins && requireAdmin({ callerOf, userOf, admins, audit, checkStanding })
  const introspector = requireIntrospector({ clients: introspectionClients, admin, failedAuth })
  const backend = requireBackend({ keys: settings.apiKeys, failedAuth })
  const readLimit = { ...settings.limits.readsPerUser, name: 'reads' } as const
  const reads = createUserLimit({ registry, limit: readLimit, now })
  const checks = { user: requireUser({ callerOf, userOf }), reads, admin, introspector, backend }
  const adminConsole = consoleOf(parts)
  const makeDocument = async () => {
    const { createOpenApi } = await import('./http/openapi/document.ts')
    return createOpenApi(ROUTES, parts.publicUrl)
  }
  const hasConsole = adminConsole !== undefined
  const docs = createDocs({ makeDocument, tryIt: parts.docsTryIt, hasConsole })

  const app = new Hono<AppEnv>({ router: new RouteFinder() })
  const answer = (error: Error, c: AppContext) => {
    if (isBackendPath(c.req.path)) return answerError(error, c, apiErrorAnswer)
    return adminConsole?.explain(error, c) ?? docs.explain(error, c) ?? answerError(error, c)
  }
  app.onError(answer)
  const { log, onAnswer, memory, readiness } = parts
  const mints = [ROUTES.createSession.path, ROUTES.createChatKitSession.path]
  const audits = new Map(mints.map((path) => [path, auditMints(audit)]))
  const { draining } = readiness
  app.use(requestFrame({ origins, log, draining, memory, audits, onAnswer }))
  const openapi = answerOpenApi(makeDocument)
  const handlers = { ...handlersOf(parts), ...docs.handlers, openapi }
  const urls = { ...withHandlers(ROUTES, handlers, checks), ...adminConsole?.routes }
  for (const [path, methods] of Object.entries(urls)) addRoute(app, origins, { path, methods })
  app.notFound((c) => answer(noSuchRoute(c.req.path, Object.keys(urls)), c))
  return app
}

/** Undefined when the config has none. */
function consoleOf(parts: AppParts) {
  const { settings, publicUrl, createConsole, figures, administer, now, log } = parts
  const { secret, registry, userOf, audit, failedAuth, identityProviders: dispatcher } = parts
  const { admins, console: login } = settings
  if (login === undefined || admins === undefined || publicUrl === undefined) return undefined
  const config = { ...settings, admins, console: login, publicUrl }
  const signIn = { secret, registry, userOf, audit, failedAuth, dispatcher }
  return createConsole?.({ config, figures, administer, signIn, now, log })
}

/** By operation id; handlers of routes that are not configured are missing. */
function handlersOf(parts: AppParts): Partial<HandlersOf<typeof ROUTES>> {
  const { settings, registry, audit, failedAuth, now, log } = parts
  const { mint, revoke, threads, checkStanding, verifyLogoutToken, administer } = parts
  const { selfHosted, signingKeys, backend } = parts
  const { issueReceipt } = administer
  return {
    createSession: createSession({ settings, mint, now }),
    signOut: signOut({ revoke, audit }),
    backchannelLogout: backchannelLogout({
      verifyLogoutToken,
      revoke,
      registry,
      audit,
      failedAuth,
      now,
      issuers: settings.issuers,
    }),
    ...ownThreads({ settings, threads, checkStanding, audit }),
    live: answerLive,
    ready: answerReady(parts.readiness),
    ...clientFiles(),
    ...(settings.admins && {
      ...adminSessions({ administer, now }),
      listUsers: listUsers({ administer, now }),
      ...adminUsers({ administer, now }),
      ...anyThreads({ administer, workflows: settings.workflows }),
      ...userData({ administer, log, now }),
      listAudit: listAudit(administer),
      ...(issueReceipt && { userReceipt: userReceipt({ issueReceipt }) }),
    }),
    ...(backend && operationHandlers(backend)),
    ...(signingKeys && { keySet: answerKeySet(signingKeys) }),
    ...(selfHosted && {
      introspect: introspect({
        settings,
        registry,
        keys: selfHosted.keys,
        publicUrl: selfHosted.publicUrl,
        now,
      }),
      chatkit: selfHosted.gateway,
      uploadAttachment: selfHosted.gateway,
      downloadFile: selfHosted.gateway,
    }),
  }
}
