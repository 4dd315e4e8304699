import { randomBytes } from 'node:crypto'
import type { Methods } from '../http/add-route.ts'
import type { AppContext } from '../http/context.ts'
import { createAddresses } from './addresses.ts'
import { explain } from './answers.ts'
import { createAssets } from './assets.ts'
import { createGuard, type Guard } from './guard.ts'
import type { ConsoleOptions } from './options.ts'
import type { PageOptions } from './page-answers.ts'
import { figuresData, figuresPage } from './pages/figures.ts'
import { auditPage, blocksPage } from './pages/lists.ts'
import { cancelAction, sessionPage, sessionsPage } from './pages/sessions.ts'
import { threadPage, threadsPage } from './pages/threads.ts'
import { userPage } from './pages/user.ts'
import { revokeAction, unblockAction } from './pages/user-actions.ts'
import { eraseAction, exportAction } from './pages/user-data.ts'
import { createAdminSessions } from './sign-in/admin-session.ts'
import { createCookies } from './sign-in/cookies.ts'
import { createIdentityProvider } from './sign-in/identity-provider.ts'
import { createSealer } from './sign-in/sealer.ts'
import { createSignIn } from './sign-in/sign-in.ts'

/** The admin console. */
export interface Console {
  /** By path. */
  readonly routes: Readonly<Record<string, Methods>>
  /**
   * A page for what went wrong before a page of the console was reached (404, 405, foreign origin).
   * Undefined when it is not the console's, or not a browser's, to show.
   */
  explain(error: Error, c: AppContext): Response | undefined
}

/** {@link createConsole}, for who loads it only when it is configured. */
export type CreateConsole = typeof createConsole

/**
 * The console at `/admin`: server-rendered pages over the same functions as the admin endpoints. Nobody
 * is asked and nothing is fetched before the first sign-in.
 *
 * @param options - parts, steps, settings
 */
export function createConsole(options: ConsoleOptions): Console {
  const addresses = createAddresses(options.publicUrl)
  const cookies = createCookies(addresses, createSealer(cookieKey(options), options.now))
  const sessions = createAdminSessions(cookies, options)
  const pages: PageOptions = { ...options, addresses, cookies }
  const guard = createGuard(addresses, sessions)
  return {
    routes: {
      ...signInRoutes({ ...pages, sessions, guard }),
      ...pageRoutes(pages, guard),
      ...dataRoutes(pages, guard),
    },
    explain(error, c) {
      const isPage = /^\/admin(?:\/|$)/.test(c.req.path)
      const isBrowser = c.req.header('Accept')?.includes('text/html') === true
      return isPage && isBrowser ? explain(addresses, error, c) : undefined
    },
  }
}

type SignInRoutesOptions = PageOptions & {
  readonly sessions: ReturnType<typeof createAdminSessions>
  readonly guard: Guard
}

function signInRoutes(options: SignInRoutesOptions): Console['routes'] {
  const { guard, secret, addresses, settings, now } = options
  const provider = createIdentityProvider({
    settings: settings.console,
    redirectUri: addresses.redirectUri,
    clientSecret: () => secret(settings.console.clientSecretEnv)?.(),
    now,
  })
  const signIn = createSignIn({ ...options, provider })
  return {
    '/admin/sign-in': { GET: [guard.open(signIn.begin)] },
    '/admin/callback': { GET: [guard.open(signIn.finish)] },
    '/admin/sign-out': { POST: [guard.action(signIn.signOut)] },
    '/admin/signed-out': { GET: [guard.open(signIn.signedOut)] },
    '/admin/assets/:name': { GET: [guard.open(createAssets())] },
    '/admin/': { GET: [guard.open((c) => c.redirect(addresses.root, 303))] },
  }
}

function pageRoutes(pages: PageOptions, guard: Guard): Console['routes'] {
  return {
    '/admin': { GET: [guard.view(sessionsPage(pages))] },
    '/admin/sessions/:id': { GET: [guard.view(sessionPage(pages))] },
    '/admin/sessions/:id/cancel': { POST: [guard.action(cancelAction(pages))] },
    '/admin/user': { GET: [guard.view(userPage(pages))] },
    '/admin/user/revoke': { POST: [guard.action(revokeAction(pages))] },
    '/admin/user/unblock': { POST: [guard.action(unblockAction(pages))] },
    '/admin/blocks': { GET: [guard.view(blocksPage(pages))] },
    '/admin/audit': { GET: [guard.view(auditPage(pages))] },
    '/admin/figures': { GET: [guard.view(figuresPage(pages))] },
    '/admin/figures.json': { GET: [guard.data(figuresData(pages))] },
  }
}

function dataRoutes(pages: PageOptions, guard: Guard): Console['routes'] {
  return {
    '/admin/threads': { GET: [guard.view(threadsPage(pages))] },
    '/admin/threads/:id': { GET: [guard.view(threadPage(pages))] },
    '/admin/user/export': { POST: [guard.action(exportAction(pages))] },
    '/admin/user/erase': { POST: [guard.action(eraseAction(pages))] },
  }
}

/** The configured key, else one that the store keeps; without either nobody is signed in. */
function cookieKey({ secret, registry }: ConsoleOptions): () => Promise<Uint8Array> {
  const configured = secret('CONSOLE_COOKIE_KEY')
  let kept: Uint8Array | undefined
  return async () => {
    if (configured !== undefined) return Buffer.from(configured().reveal(), 'base64url')
    kept ??= await registry.keptKey('console-cookies', () => randomBytes(32))
    return kept
  }
}
