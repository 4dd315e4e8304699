// Makes the app: the order of middleware, and the handler of each route that is configured.
import { type Handler, Hono } from 'hono'
import type { SigningKeys } from './chatkit/signing/signing-keys.ts'
import type { CreateConsole } from './console/console.ts'
import { addRoute, withHandlers } from './http/add-route.ts'
import { listAudit } from './http/admin/audit.ts'
import { adminSessions } from './http/admin/sessions.ts'
import { anyThreads } from './http/admin/threads.ts'
import { userData } from './http/admin/user-data.ts'
import { adminUsers } from './http/admin/users.ts'
import { requireAdmin, requireUser } from './http/authentication.ts'
import type { AppContext, AppEnv } from './http/context.ts'
import { answerClientScript } from './http/docs/client-script.ts'
import { createDocs } from './http/docs/pages.ts'
import { answerOpenApi } from './http/openapi/openapi.ts'
import { answerError, type EnvelopeOptions, envelope } from './http/request-frame.ts'
import { ROUTES } from './http/route-table.ts'
import {
  type BackchannelLogoutOptions,
  backchannelLogout,
} from './http/routes/backchannel-logout.ts'
import { answerLive, answerReady, type Readiness } from './http/routes/health.ts'
import { answerKeySet, introspect, requireIntrospector } from './http/routes/introspect.ts'
import { auditMints, createSession, signOut } from './http/routes/sessions.ts'
import { ownThreads } from './http/routes/threads.ts'
import type { Clock } from './lib/clock.ts'
import { ServiceError } from './lib/errors.ts'
import type { Registry } from './registry/port.ts'

/** Everything that the routes lean on, built once by `service.ts`. */
export type AppDeps = EnvelopeOptions &
  Readiness &
  Parameters<typeof requireUser>[0] &
  Parameters<typeof createSession>[0] &
  BackchannelLogoutOptions &
  Parameters<typeof ownThreads>[0] &
  Pick<Parameters<CreateConsole>[0], 'administer' | 'secret' | 'figures'> & {
    readonly registry: Registry
    readonly now: Clock
    readonly publicUrl: string | undefined
    /** Undefined when the config has no console: it is not even loaded then. */
    readonly createConsole: CreateConsole | undefined
    /** Undefined when every workflow is at OpenAI. */
    readonly selfHosted: SelfHostedDeps | undefined
  }

/** What the routes of self-hosted workflows need besides. */
export interface SelfHostedDeps {
  readonly publicUrl: string
  readonly keys: SigningKeys
  readonly gateway: Handler<AppEnv>
}

/**
 * The order of middleware, and the handler of each route of the table.
 *
 * @param deps - everything that the routes lean on
 */
export function createApp(deps: AppDeps): Hono<AppEnv> {
  const { admins, introspectionClients } = deps.settings
  const admin = admins && requireAdmin({ ...deps, admins })
  const introspector = requireIntrospector(introspectionClients, admin)
  const checks = { user: requireUser(deps), admin, introspector }
  const adminConsole = consoleOf(deps)

  const app = new Hono<AppEnv>()
  const answer = (error: Error, c: AppContext) =>
    adminConsole?.explain(error, c) ?? answerError(error, c)
  app.onError(answer)
  app.use(envelope(deps))
  app.post(ROUTES.createSession.path, auditMints(deps.audit))
  const urls = { ...withHandlers(ROUTES, handlersOf(deps), checks), ...adminConsole?.routes }
  for (const [path, methods] of Object.entries(urls)) {
    addRoute(app, deps.origins, { path, methods })
  }
  app.notFound((c) => answer(new ServiceError('not_found', { reason: 'no such route' }), c))
  return app
}

/** Undefined when the config has none. */
function consoleOf(deps: AppDeps) {
  const { settings, publicUrl, createConsole, secret, figures } = deps
  const { administer, registry, audit, now, log } = deps
  const { admins, console: signIn } = settings
  if (signIn === undefined || admins === undefined || publicUrl === undefined) return undefined
  const config = { ...settings, admins, console: signIn, publicUrl }
  return createConsole?.({ config, secret, figures, administer, registry, audit, now, log })
}

/** By operation id; those of routes that the config has not are missing. */
function handlersOf(
  deps: AppDeps,
): Readonly<Partial<Record<keyof typeof ROUTES, Handler<AppEnv>>>> {
  const { administer, settings, selfHosted, log, now, publicUrl } = deps
  const makeDocument = async () => {
    const { createOpenApi } = await import('./http/openapi/document.ts')
    return createOpenApi(ROUTES, publicUrl)
  }
  return {
    createSession: createSession(deps),
    signOut: signOut(deps),
    backchannelLogout: backchannelLogout(deps),
    ...ownThreads(deps),
    live: answerLive,
    ready: answerReady(deps),
    clientScript: answerClientScript(),
    ...createDocs(makeDocument),
    openapi: answerOpenApi(makeDocument),
    ...(settings.admins && {
      ...adminSessions({ administer, now }),
      ...adminUsers({ administer, now }),
      ...anyThreads({ administer, workflows: settings.workflows }),
      ...userData({ administer, log, now }),
      listAudit: listAudit(administer),
    }),
    ...(selfHosted && {
      keySet: answerKeySet(selfHosted.keys),
      introspect: introspect({ ...deps, ...selfHosted }),
      chatkit: selfHosted.gateway,
      uploadAttachment: selfHosted.gateway,
    }),
  }
}
