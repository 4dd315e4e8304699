// The admin console at `/admin`: HTML pages that use the same functions as the admin API.

import { randomBytes } from 'node:crypto'
import type { Dispatcher } from 'undici'
import type { Administer } from '../administer/administer.ts'
import type { AdminSettings, ConsoleSettings, Settings } from '../config/settings.ts'
import type { Methods } from '../http/add-route.ts'
import type { AppContext } from '../http/context.ts'
import type { FailedAuth } from '../http/failed-auth.ts'
import type { ConsoleFigures } from '../http/telemetry/figures.ts'
import type { Clock } from '../lib/clock.ts'
import type { Log } from '../lib/log.ts'
import { lastUsable, randomKeyProblem, type Secret } from '../lib/secret.ts'
import type { UserOf } from '../map/map-user.ts'
import type { Audit } from '../registry/audit.ts'
import type { Registry } from '../registry/port.ts'
import { type ConsoleAccess, createConsoleAccess } from './access.ts'
import { createAddresses } from './addresses.ts'
import { createAssets } from './assets.ts'
import { createPageAnswers, type PageParts } from './page-answers.ts'
import { auditPage } from './pages/audit.ts'
import { blocksPage } from './pages/blocks.ts'
import { figuresData, figuresPage } from './pages/figures.ts'
import { overviewPage } from './pages/overview.ts'
import { revokeAction, revokePage, unblockAction } from './pages/revoke.ts'
import { cancelAction, cancelPage, sessionPage } from './pages/session.ts'
import { sessionsPage } from './pages/sessions.ts'
import { threadDeleteAction, threadDeletePage, threadPage, threadsPage } from './pages/threads.ts'
import { userPage } from './pages/user.ts'
import { eraseAction, erasePage, exportAction, receiptDownload } from './pages/user-data.ts'
import { usersPage } from './pages/users.ts'
import { createCookies, createSealer } from './sign-in/cookies.ts'
import { createIdentityProvider } from './sign-in/identity-provider.ts'
import { createSignInPages } from './sign-in/sign-in.ts'
import { createSignInCookie } from './sign-in/sign-in-cookie.ts'

/** {@link createConsole}, for service.ts, which loads it only when it is configured. */
export type CreateConsole = typeof createConsole

type Routes = Readonly<Record<string, Methods>>

/** The settings that the console reads. */
interface ConsoleConfig {
  readonly console: ConsoleSettings
  readonly issuers: Settings['issuers']
  readonly admins: AdminSettings
  readonly workflows: readonly { readonly name: string }[]
  /** The service as clients see it; https, or http on loopback. */
  readonly publicUrl: string
}

interface ConsoleParts {
  readonly config: ConsoleConfig
  readonly figures: ConsoleFigures
  readonly administer: Administer
  readonly signIn: SignInParts
  readonly now: Clock
  readonly log: Log
}

interface SignInParts {
  /** The secret in an environment variable, or in the file that its `_FILE` twin names. */
  readonly secret: (name: string) => (() => Secret) | undefined
  readonly registry: Pick<Registry, 'keptKey' | 'markLogout' | 'readStanding'>
  readonly userOf: UserOf
  readonly audit: Audit
  readonly failedAuth: Pick<FailedAuth, 'counted' | 'addressOf'>
  /** Connections to the provider. */
  readonly dispatcher: Dispatcher
}

/**
 * Makes the console's routes by path. Nothing is fetched before the first sign-in.
 *
 * `explain` gives a page for an error that came before any route of the console (404, 405, an origin that is
 * not allowed). It gives undefined when the path is not the console's, or the client is not a browser.
 */
export function createConsole({
  config,
  figures,
  administer,
  signIn: parts,
  now,
  log,
}: ConsoleParts) {
  const { secret, registry, userOf, audit, failedAuth, dispatcher } = parts
  const { console: settings, issuers, admins, workflows } = config
  const { issuer } = settings
  const addresses = createAddresses(config.publicUrl)
  const { secure, redirectUri } = addresses
  const sealer = createSealer({ secret: cookieKey(parts, log), now })
  const cookies = createCookies({ secure, sealer })
  const signIns = createSignInCookie({ cookies, settings, issuers, userOf, admins, registry, now })
  const access = createConsoleAccess({ addresses, signIns })
  const answers = createPageAnswers({ addresses, cookies })
  const provider = createIdentityProvider({
    settings,
    redirectUri,
    clientSecret: () => secret(settings.clientSecretEnv)?.(),
    dispatcher,
    clockTolerance: issuers.find((one) => one.issuer === issuer)?.clockToleranceSeconds ?? 0,
    now,
  })
  const own = { addresses, cookies, signIns, provider }
  const signIn = createSignInPages({ ...own, issuer, admins, audit, failedAuth })
  return {
    routes: {
      ...signInRoutes(access, signIn),
      '/admin/': { GET: [access.open((c) => c.redirect(addresses.root, 303))] },
      ...pageRoutes(access, { administer, answers, addresses, workflows, figures, now, log }),
    } satisfies Routes,
    explain(error: Error, c: AppContext): Promise<Response> | undefined {
      const isPage = /^\/admin(?:\/|$)/.test(c.req.path)
      const isBrowser = c.req.header('Accept')?.includes('text/html') === true
      return isPage && isBrowser ? access.explain(error, c) : undefined
    },
  }
}

function signInRoutes(access: ConsoleAccess, pages: ReturnType<typeof createSignInPages>): Routes {
  return {
    '/admin/sign-in': { GET: [access.open(pages.begin)] },
    '/admin/callback': { GET: [access.open(pages.finish)] },
    '/admin/sign-out': { POST: [access.action(pages.signOut, '/signed-out')] },
    '/admin/signed-out': { GET: [access.open(pages.signedOut)] },
    '/admin/assets/:name': { GET: [access.open(createAssets())] },
  }
}

function pageRoutes(access: ConsoleAccess, parts: PageParts): Routes {
  return {
    '/admin': { GET: [access.view(overviewPage(parts))] },
    '/admin/sessions': { GET: [access.view(sessionsPage(parts))] },
    '/admin/sessions/:id': { GET: [access.view(sessionPage(parts))] },
    '/admin/sessions/:id/cancel': {
      GET: [access.view(cancelPage(parts))],
      POST: [access.action(cancelAction(parts))],
    },
    '/admin/users': { GET: [access.view(usersPage(parts))] },
    '/admin/user': { GET: [access.view(userPage(parts))] },
    '/admin/user/revoke': {
      GET: [access.view(revokePage(parts))],
      POST: [access.action(revokeAction(parts))],
    },
    '/admin/user/unblock': { POST: [access.action(unblockAction(parts))] },
    '/admin/user/export': { POST: [access.action(exportAction(parts))] },
    '/admin/user/receipt': { GET: [access.view(receiptDownload(parts))] },
    '/admin/user/erase': {
      GET: [access.view(erasePage(parts))],
      POST: [access.action(eraseAction(parts))],
    },
    '/admin/threads': { GET: [access.view(threadsPage(parts))] },
    '/admin/threads/:id': { GET: [access.view(threadPage(parts))] },
    '/admin/threads/:id/delete': {
      GET: [access.view(threadDeletePage(parts))],
      POST: [access.action(threadDeleteAction(parts))],
    },
    '/admin/blocks': { GET: [access.view(blocksPage(parts))] },
    '/admin/audit': { GET: [access.view(auditPage(parts))] },
    '/admin/figures': { GET: [access.view(figuresPage(parts))] },
    '/admin/figures.json': { GET: [access.data(figuresData(parts))] },
  }
}

/**
 * The configured key; without one, a key that the store keeps. Nobody is signed in while it cannot be read. When its
 * file gets a text that is too short, the key before it stays: with a guessed key, anybody could make a sign-in.
 */
function cookieKey(
  { secret, registry }: Pick<SignInParts, 'secret' | 'registry'>,
  log: Log,
): () => Promise<Uint8Array> {
  const source = secret('CONSOLE_COOKIE_KEY')
  const onRefused = (problem: string) => log.warn(`CONSOLE_COOKIE_KEY: ${problem}`)
  const configured =
    source && lastUsable(source, source(), { problemOf: randomKeyProblem, onRefused })
  let kept: Uint8Array | undefined
  return async () => {
    if (configured !== undefined) return Buffer.from(configured().reveal(), 'base64url')
    kept ??= await registry.keptKey('console-cookies', () => randomBytes(32))
    return kept
  }
}
