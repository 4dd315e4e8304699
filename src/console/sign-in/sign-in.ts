// The pages and redirects with which an admin signs in to the console and out of it.

import { html } from 'hono/html'
import { z } from 'zod'
import { identifierSchema } from '../../authenticate/claims.ts'
import type { AdminSettings } from '../../config/settings.ts'
import { noUser } from '../../http/authentication.ts'
import type { AppContext } from '../../http/context.ts'
import type { FailedAuth } from '../../http/failed-auth.ts'
import { isCode, ServiceError } from '../../lib/errors.ts'
import { createSlots } from '../../lib/shares/slots.ts'
import { whyNoAdmin } from '../../map/evaluate.ts'
import type { Audit } from '../../registry/audit.ts'
import type { Submitted } from '../access.ts'
import type { Addresses } from '../addresses.ts'
import { PageError, type PageErrorOptions } from '../error-page.ts'
import { renderPage } from '../view/layout.ts'
import type { Cookies } from './cookies.ts'
import type { IdentityProvider } from './identity-provider.ts'
import type { SignInCookie } from './sign-in-cookie.ts'

/** Seconds that a sign-in may take, so that there is time to find a password. */
const ATTEMPT_SECONDS = 600

/** Codes of one address about which the provider is asked at a time. */
const OF_ADDRESS = { each: 5, what: 'sign-ins of an address' }
/** The same of all addresses, which leaves connections for keys. */
const OF_ALL = { each: Number.POSITIVE_INFINITY, all: 50, what: 'sign-ins' }

/** Milliseconds for which a refused code of an address with too many failures keeps its slot: one code a second. */
const KEPT_MS = 5000

/** A state as we make it; it names a cookie. */
const STATE = /^[\w-]{1,64}$/

const attemptSchema = z.object({ nonce: z.string(), verifier: z.string(), returnTo: z.string() })

/** Makes the pages. Only an admin's ID token signs anybody in. */
export function createSignInPages({
  addresses,
  cookies,
  signIns,
  provider,
  issuer,
  admins,
  audit,
  failedAuth,
}: {
  readonly addresses: Addresses
  readonly cookies: Cookies
  readonly signIns: Pick<SignInCookie, 'selfOf' | 'begin' | 'read' | 'end'>
  readonly provider: IdentityProvider
  /** The issuer of the provider. */
  readonly issuer: string
  readonly admins: AdminSettings
  readonly audit: Audit
  readonly failedAuth: Pick<FailedAuth, 'counted' | 'addressOf'>
}) {
  const redeem = createRedeem({ addresses, provider, failedAuth })

  async function takeAttempt(c: AppContext) {
    const state = c.req.query('state') ?? ''
    if (!STATE.test(state)) return undefined
    const attempt = await cookies.read(c, `sign-in-${state}`, attemptSchema)
    cookies.clear(c, `sign-in-${state}`)
    return attempt && { ...attempt, state }
  }

  /** For whoever went back to the provider's page after a sign-in that worked, the console is open. */
  async function answerUnknown(c: AppContext): Promise<Response> {
    if (await signIns.read(c, false)) return c.redirect(addresses.root, 303)
    const refusal = refuse(addresses, 'invalid_request', {
      reason: 'no sign-in with this state is under way in this browser',
      heading: 'This sign-in cannot be finished here',
      advice:
        'Nobody was signed in. The sign-in took longer than ten minutes, was finished before, was begun in another browser, or this browser keeps no cookies of this site. Allow cookies here, and sign in again.',
    })
    throw await failedAuth.counted(c, refusal)
  }

  return {
    /** `GET /admin/sign-in?return_to&again` */
    async begin(c: AppContext): Promise<Response> {
      const attempt = await provider.begin(c.req.query('again') === '1')
      const { url, state, ...value } = attempt
      const returnTo = addresses.back(c.req.query('return_to'))
      cookies.clearOldSignIns(c)
      await cookies.write(c, `sign-in-${state}`, {
        value: { ...value, returnTo },
        seconds: ATTEMPT_SECONDS,
      })
      return c.redirect(url.href, 303)
    },
    /** `GET /admin/callback` */
    async finish(c: AppContext): Promise<Response> {
      const attempt = await takeAttempt(c)
      if (attempt === undefined) return answerUnknown(c)
      refuseErrorAnswer(c, addresses)
      const { claims, subject } = await redeem(c, attempt)
      const self = signIns.selfOf({ issuer, subject, claims })
      const event = { ...self, requestId: c.var.requestId, reason: 'GET /admin/callback' }
      const why = whyNoAdmin({ issuer, claims }, admins)
      if (why !== undefined) {
        audit.note({ ...event, action: 'admin_attempt', outcome: 'refused' })
        throw notAnAdmin(self.actor, why, addresses)
      }
      if (self.user === undefined) throw noUser()
      await audit.write({ ...event, action: 'admin_sign_in', outcome: 'ok' })
      await signIns.begin(c, { issuer, subject, mapped: self.user, ...detailsOf(claims, subject) })
      return c.redirect(attempt.returnTo, 303)
    },
    /** `POST /admin/sign-out` */
    async signOut(c: AppContext, { signIn }: Submitted): Promise<Response> {
      await signIns.end(c, signIn)
      return c.redirect(`${addresses.root}/signed-out`, 303)
    },
    /** `GET /admin/signed-out` */
    signedOut: (c: AppContext) =>
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

type SignInParts = Parameters<typeof createSignInPages>[0]

/**
 * Only failures count, so that bad requests of one address do not keep an admin at that address from signing in. Only
 * the provider can tell a good code, so beyond the limit it is asked about few of them.
 */
function createRedeem({
  addresses,
  provider,
  failedAuth,
}: Pick<SignInParts, 'addresses' | 'provider' | 'failedAuth'>) {
  const takeSlot = createSlots(OF_ADDRESS)
  const takeConnection = createSlots(OF_ALL)

  return async (c: AppContext, attempt: Parameters<IdentityProvider['redeem']>[1]) => {
    const callback = new URL(addresses.redirectUri + new URL(c.req.url).search)
    const leave = takeSlot(failedAuth.addressOf(c))
    let keptMs = 0
    try {
      // Slots that are kept must not count here, or a few addresses would keep all admins from signing in.
      const end = takeConnection('')
      const claims = await provider.redeem(callback, attempt).finally(end)
      return { claims, subject: subjectOf(claims) }
    } catch (error) {
      if (!(error instanceof ServiceError) || error.code !== 'invalid_request') throw error
      const failure = await failedAuth.counted(c, untrusted(error, addresses))
      if (isCode(failure, 'rate_limited')) keptMs = KEPT_MS
      throw failure
    } finally {
      setTimeout(leave, keptMs).unref()
    }
  }
}

type Refusal = Pick<PageErrorOptions, 'reason' | 'heading' | 'advice' | 'cause'>

function refuse(
  { root }: Addresses,
  code: 'invalid_request' | 'admin_required',
  refusal: Refusal,
): PageError {
  const action = { href: `${root}/sign-in?again=1`, label: 'Sign in again' }
  return new PageError(code, { ...refusal, action })
}

/** Refuses an error answer, by which the provider says that it signed nobody in (OpenID Connect Core 1.0 §3.1.2.6). */
function refuseErrorAnswer(c: AppContext, addresses: Addresses): void {
  const error = c.req.query('error')
  if (error === undefined) return
  if (error === 'access_denied') {
    throw refuse(addresses, 'admin_required', {
      reason: 'access_denied',
      heading: 'Sign-in denied',
      advice: 'The identity provider says that the sign-in was declined. Nobody was signed in.',
    })
  }
  const shown = /^[a-z_]{1,40}$/.test(error) ? ` (${error})` : ''
  throw refuse(addresses, 'invalid_request', {
    reason: `the identity provider answered with an error${shown}`,
    heading: 'Sign-in failed',
    advice: `The identity provider did not sign you in${shown}. Nobody was signed in.`,
  })
}

function untrusted({ reason, cause }: ServiceError, addresses: Addresses): PageError {
  return refuse(addresses, 'invalid_request', {
    reason,
    cause,
    heading: 'Sign-in failed',
    advice:
      'Nobody was signed in. The answer of the identity provider cannot be trusted: it was used before, took too long, was changed on the way, or the clocks of the two machines differ. Sign in again. If that fails too, ask the operators of this service: the log has the reason under the request below.',
  })
}

function subjectOf(claims: Readonly<Record<string, unknown>>): string {
  const parsed = identifierSchema.safeParse(claims['sub'])
  if (parsed.success) return parsed.data
  throw new ServiceError('invalid_request', { reason: 'sub is no identifier' })
}

function notAnAdmin(actor: string, why: string, addresses: Addresses): PageError {
  return refuse(addresses, 'admin_required', {
    reason: `the ID token is not an admin’s: ${why}`,
    heading: 'You are not an admin here',
    advice: `You are signed in as ${actor}, and the rule for admins does not allow this. The attempt is in the audit. Ask the operators of this service, or sign in as somebody else.`,
  })
}

/** The claims that back-channel logout asks for, and a name to show. */
function detailsOf(claims: Readonly<Record<string, unknown>>, subject: string) {
  const { iat } = claims
  return {
    name: nameOf(claims) ?? subject,
    sid: identifierSchema.safeParse(claims['sid']).data,
    // Always present in a verified ID token. If it were missing, 0 lets any logout end the sign-in.
    issuedAt: typeof iat === 'number' ? iat : 0,
  }
}

function nameOf(claims: Readonly<Record<string, unknown>>): string | undefined {
  const names = [claims['name'], claims['preferred_username'], claims['email']]
  return names.find((name): name is string => identifierSchema.safeParse(name).success)
}
