import { html } from 'hono/html'
import { z } from 'zod'
import { identifierSchema } from '../../authenticate/claims.ts'
import { addressKey, createClientAddress } from '../../http/client-address.ts'
import type { AppContext } from '../../http/context.ts'
import { ServiceError } from '../../lib/errors.ts'
import { isAdmin } from '../../map/is-admin.ts'
import { actorOf } from '../../registry/identity.ts'
import type { Addresses } from '../addresses.ts'
import type { Submitted } from '../guard.ts'
import type { ConsoleOptions } from '../options.ts'
import { PageError, type PageErrorOptions } from '../page-error.ts'
import { renderPage } from '../view/layout.ts'
import type { AdminSessions } from './admin-session.ts'
import type { Cookies } from './cookies.ts'
import type { IdentityProvider } from './identity-provider.ts'

/** What the sign-in leans on. */
export interface SignInOptions extends ConsoleOptions {
  readonly addresses: Addresses
  readonly cookies: Cookies
  readonly sessions: AdminSessions
  readonly provider: IdentityProvider
}

/** The way in and out. */
export interface SignInPages {
  /** `GET /admin/sign-in?return_to&again` */
  begin(c: AppContext): Promise<Response>
  /** `GET /admin/callback` */
  finish(c: AppContext): Promise<Response>
  /** `POST /admin/sign-out` */
  signOut(c: AppContext, submitted: Submitted): Promise<Response>
  /** `GET /admin/signed-out` */
  signedOut(c: AppContext): Promise<Response> | Response
}

/** Long enough to find one's password. */
const ATTEMPT_SECONDS = 600

const attemptSchema = z.object({
  state: z.string(),
  nonce: z.string(),
  verifier: z.string(),
  returnTo: z.string(),
})

/** @param options - provider, cookies, who is an admin */
export function createSignIn(options: SignInOptions): SignInPages {
  const { addresses, cookies, sessions, provider, audit, settings } = options
  const limit = createLimit(options)

  async function takeAttempt(c: AppContext) {
    const attempt = await cookies.read(c, 'sign-in', attemptSchema)
    cookies.clear(c, 'sign-in')
    // A state that is not ours: the answer to a sign-in that somebody else began.
    if (attempt !== undefined && attempt.state === c.req.query('state')) return attempt
    throw refuse(options, 'invalid_request', {
      reason: attempt === undefined ? 'no sign-in under way in this browser' : 'another state',
      heading: 'This sign-in cannot be finished here',
      advice:
        'It took too long, was begun in another browser or tab, or its answer was changed on the way. Nobody was signed in.',
    })
  }

  return {
    async begin(c) {
      const attempt = await provider.begin(c.req.query('again') === '1')
      const { url, ...value } = attempt
      const returnTo = addresses.back(c.req.query('return_to'))
      await cookies.write(c, 'sign-in', {
        value: { ...value, returnTo },
        seconds: ATTEMPT_SECONDS,
      })
      return c.redirect(url.href, 303)
    },
    async finish(c) {
      const attempt = await takeAttempt(c)
      refuseErrorAnswer(c, options)
      await limit(c)
      const callback = new URL(addresses.redirectUri + new URL(c.req.url).search)
      const claims = await provider.redeem(callback, attempt).catch((error) => {
        throw explained(error, options)
      })
      const { issuer } = settings.console
      const subject = subjectOf(claims, options)
      const actor = actorOf({ issuer, subject })
      const trail = { actor, requestId: c.var.requestId, reason: 'GET /admin/callback' }
      if (!isAdmin({ issuer, claims }, settings.admins)) {
        audit.note({ ...trail, action: 'admin_attempt', outcome: 'refused' })
        throw notAnAdmin(actor, options)
      }
      await audit.write({ ...trail, action: 'admin_sign_in', outcome: 'ok' })
      await sessions.begin(c, { issuer, subject, ...detailsOf(claims, subject) })
      return c.redirect(attempt.returnTo, 303)
    },
    async signOut(c, { session }) {
      await sessions.end(c, session)
      return c.redirect(`${addresses.root}/signed-out`, 303)
    },
    signedOut: (c) =>
      c.html(
        renderPage(
          addresses,
          { title: 'Signed out' },
          html`<div class="panel message">
<p>You are signed out of the console. At the identity provider you may still be signed in.</p>
<p><a class="button" href="${addresses.root}/sign-in?again=1">Sign in</a></p>
</div>`,
        ),
      ),
  }
}

/** Each answer costs a call of the provider with our credentials: so many a minute of one address. */
function createLimit({ registry, settings, now }: SignInOptions) {
  const clientAddress = createClientAddress(settings)
  const limit = settings.limits.failedAuthPerIp
  return async (c: AppContext): Promise<void> => {
    const key = `console-sign-in:${addressKey(clientAddress(c))}`
    const state = await registry.consume(key, { ...limit, nowMs: now() })
    if (state.allowed) return
    throw new ServiceError('rate_limited', {
      reason: 'console sign-ins of one address',
      retryAfterSeconds: state.resetMs / 1000,
    })
  }
}

type Refusal = Pick<PageErrorOptions, 'reason' | 'heading' | 'advice' | 'cause'>

function refuse(
  { addresses }: SignInOptions,
  code: 'invalid_request' | 'admin_required',
  refusal: Refusal,
): PageError {
  const action = { href: `${addresses.root}/sign-in?again=1`, label: 'Sign in again' }
  return new PageError(code, { ...refusal, action })
}

/** OpenID Connect Core 1.0 §3.1.2.6: the provider did not sign anybody in. */
function refuseErrorAnswer(c: AppContext, options: SignInOptions): void {
  const error = c.req.query('error')
  if (error === undefined) return
  if (error === 'access_denied') {
    throw refuse(options, 'admin_required', {
      reason: 'access_denied',
      heading: 'Sign-in denied',
      advice: 'The identity provider says that the sign-in was declined. Nobody was signed in.',
    })
  }
  const shown = /^[a-z_]{1,40}$/.test(error) ? ` (${error})` : ''
  throw refuse(options, 'invalid_request', {
    reason: `the identity provider answered with an error${shown}`,
    heading: 'Sign-in failed',
    advice: `The identity provider did not sign you in${shown}. Nobody was signed in.`,
  })
}

function explained(error: unknown, options: SignInOptions): unknown {
  if (!(error instanceof ServiceError) || error.code !== 'invalid_request') return error
  return refuse(options, 'invalid_request', {
    reason: error.reason,
    cause: error.cause,
    heading: 'Sign-in failed',
    advice:
      'What the identity provider answered cannot be trusted: it was used before, took too long, or was changed on the way. Nobody was signed in.',
  })
}

function subjectOf(claims: Readonly<Record<string, unknown>>, options: SignInOptions): string {
  const parsed = identifierSchema.safeParse(claims['sub'])
  if (parsed.success) return parsed.data
  throw explained(new ServiceError('invalid_request', { reason: 'sub is no identifier' }), options)
}

function notAnAdmin(actor: string, options: SignInOptions): PageError {
  return refuse(options, 'admin_required', {
    reason: 'the ID token is not an admin’s',
    heading: 'You are not an admin here',
    advice: `You are signed in as ${actor}, whom the rule for admins does not let in. The attempt is in the audit trail. Ask whoever runs this service, or sign in as somebody else.`,
  })
}

/** `iat` and `sid` as back-channel logout asks for them; and what to call somebody. */
function detailsOf(claims: Readonly<Record<string, unknown>>, subject: string) {
  const { iat } = claims
  return {
    name: nameOf(claims) ?? subject,
    sid: identifierSchema.safeParse(claims['sid']).data,
    // Checked to be there with the ID token; without it, any logout ends the sign-in.
    issuedAt: typeof iat === 'number' ? iat : 0,
  }
}

/** What to call somebody, where the provider says. */
function nameOf(claims: Readonly<Record<string, unknown>>): string | undefined {
  const names = [claims['name'], claims['preferred_username'], claims['email']]
  return names.find((name): name is string => identifierSchema.safeParse(name).success)
}
