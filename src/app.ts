import { type Handler, Hono } from 'hono'
import type { SigningKeys } from './chatkit/signing/signing-keys.ts'
import type { CreateConsole } from './console/console.ts'
import { addRoute, type Methods } from './http/add-route.ts'
import { listAudit } from './http/admin/audit.ts'
import { cancelSession, listSessions, readSession } from './http/admin/sessions.ts'
import {
  deleteAnyThread,
  listAnyItems,
  listAnyThreads,
  readAnyThread,
} from './http/admin/threads.ts'
import { eraseUserData, exportUserData } from './http/admin/user-data.ts'
import { liftBlock, listBlocks, revokeAny, revokeUser } from './http/admin/users.ts'
import { requireAdmin, requireUser } from './http/authentication.ts'
import type { AppContext, AppEnv } from './http/context.ts'
import { answerClientScript } from './http/docs/client-script.ts'
import { createDocs } from './http/docs/pages.ts'
import { answerOpenApi } from './http/openapi/openapi.ts'
import { answerError, type EnvelopeOptions, envelope } from './http/request-frame.ts'
import {
  type BackchannelLogoutOptions,
  backchannelLogout,
} from './http/routes/backchannel-logout.ts'
import { answerLive, answerReady, type Readiness } from './http/routes/health.ts'
import { answerKeySet, introspect, requireIntrospector } from './http/routes/introspect.ts'
import { auditMints, createSession, signOut } from './http/routes/sessions.ts'
import {
  deleteOwnThread,
  listOwnItems,
  listOwnThreads,
  readOwnThread,
  type ThreadRoutesOptions,
} from './http/routes/threads.ts'
import type { Clock } from './lib/clock.ts'
import { ServiceError } from './lib/errors.ts'
import type { Registry } from './registry/port.ts'

/** Everything that the routes lean on, built once by `service.ts`. */
export type AppDeps = EnvelopeOptions &
  Readiness &
  Parameters<typeof requireUser>[0] &
  Parameters<typeof createSession>[0] &
  BackchannelLogoutOptions &
  ThreadRoutesOptions &
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

type Routes = Readonly<Record<string, Methods>>

/**
 * The order of middleware and the table of URLs.
 *
 * @param deps - everything that the routes lean on
 */
export function createApp(deps: AppDeps): Hono<AppEnv> {
  const user = requireUser(deps)
  const { selfHosted, settings } = deps
  const { admins } = settings
  const adminConsole = consoleOf(deps)
  const docs = createDocs(deps.publicUrl)
  const routes: Routes = {
    '/v1/sessions': { POST: [user, createSession(deps)], DELETE: [user, signOut(deps)] },
    '/v1/threads': { GET: [user, ...listOwnThreads(deps)] },
    '/v1/threads/:id': { GET: [user, readOwnThread(deps)], DELETE: [user, deleteOwnThread(deps)] },
    '/v1/threads/:id/items': { GET: [user, ...listOwnItems(deps)] },
    '/v1/backchannel-logout': { POST: [backchannelLogout(deps)] },
    '/livez': { GET: [answerLive] },
    '/readyz': { GET: [answerReady(deps)] },
    '/client.js': { GET: [answerClientScript()] },
    '/openapi.json': { GET: [answerOpenApi(deps.publicUrl)] },
    '/docs': { GET: [docs.reference] },
    '/docs/:page': { GET: [docs.page] },
    ...(admins && adminRoutes({ ...deps, admins })),
    ...adminConsole?.routes,
    ...(selfHosted && selfHostedRoutes({ ...deps, ...selfHosted })),
  }

  const app = new Hono<AppEnv>()
  const answer = (error: Error, c: AppContext) =>
    adminConsole?.explain(error, c) ?? answerError(error, c)
  app.onError(answer)
  app.use(envelope(deps))
  app.post('/v1/sessions', auditMints(deps.audit))
  for (const [path, methods] of Object.entries(routes)) {
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

function adminRoutes(deps: AppDeps & Parameters<typeof requireAdmin>[0]): Routes {
  const admin = requireAdmin(deps)
  const { administer, log, now } = deps
  const { workflows } = deps.settings
  const timed = { administer, now }
  const erase = eraseUserData({ administer, log })
  return {
    '/v1/admin/sessions': { GET: [admin, ...listSessions(timed)] },
    '/v1/admin/sessions/:id': { GET: [admin, readSession(timed)] },
    '/v1/admin/sessions/:id/cancel': { POST: [admin, cancelSession(timed)] },
    '/v1/admin/revoke': { POST: [admin, revokeAny(administer)] },
    '/v1/admin/users/:user/revoke': { POST: [admin, revokeUser(administer)] },
    '/v1/admin/users/:user/block': { DELETE: [admin, liftBlock(administer)] },
    '/v1/admin/users/:user/export': { GET: [admin, exportUserData({ administer, log, now })] },
    '/v1/admin/users/:user/erase': { POST: [admin, erase] },
    '/v1/admin/blocks': { GET: [admin, ...listBlocks(timed)] },
    '/v1/admin/threads': { GET: [admin, ...listAnyThreads({ administer, workflows })] },
    '/v1/admin/threads/:id': {
      GET: [admin, readAnyThread(administer)],
      DELETE: [admin, deleteAnyThread(administer)],
    },
    '/v1/admin/threads/:id/items': { GET: [admin, ...listAnyItems(administer)] },
    '/v1/admin/audit': { GET: [admin, ...listAudit(administer)] },
  }
}

function selfHostedRoutes(deps: AppDeps & SelfHostedDeps): Routes {
  const { admins, introspectionClients } = deps.settings
  const admin = admins && requireAdmin({ ...deps, admins })
  return {
    '/.well-known/jwks.json': { GET: [answerKeySet(deps.keys)] },
    '/v1/introspect': {
      POST: [requireIntrospector(introspectionClients, admin), introspect(deps)],
    },
    '/chatkit/:workflow': { POST: [deps.gateway], PUT: [deps.gateway] },
  }
}
