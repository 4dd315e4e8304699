// Signs a person in and out at the embedded sign-in, as a browser would.

import { hash, randomBytes } from 'node:crypto'
import { z } from 'zod'
import { type Browser, createBrowser } from './browser.ts'
import type { SignInServer } from './sign-in.ts'

export interface SignedIn {
  readonly accessToken: string
  readonly idToken: string
  /** Holds the session's cookies. */
  readonly browser: Browser
}

const tokenAnswer = z.looseObject({ access_token: z.string(), id_token: z.string() })

/**
 * Signs a person in: authorization request, choice of the account, code with PKCE (RFC 7636), token request.
 *
 * @throws `Error` when any step is refused
 */
export async function signInAs(signIn: SignInServer, account: string): Promise<SignedIn> {
  const browser = createBrowser()
  const verifier = randomBytes(32).toString('base64url')
  const code = await authorize(signIn, account, { browser, verifier })
  const tokens = await redeem(signIn, code, verifier)
  return { accessToken: tokens.access_token, idToken: tokens.id_token, browser }
}

/**
 * Signs out through the provider's page. The provider then sends logout tokens to its clients.
 *
 * @throws `Error` when it is refused
 */
export async function signOut(signIn: SignInServer, { browser, idToken }: SignedIn): Promise<void> {
  const query = new URLSearchParams({ id_token_hint: idToken })
  const page = await browser.send(`${signIn.issuer}/session/end?${query}`)
  const xsrf = /name="xsrf" value="([^"]+)"/.exec(await page.text())?.[1]
  if (xsrf === undefined) throw new Error(`no sign-out page: status ${page.status}`)
  const body = new URLSearchParams({ xsrf, logout: 'yes' })
  const done = await browser.send(`${signIn.issuer}/session/end/confirm`, { method: 'POST', body })
  if (done.status !== 303) throw new Error(`sign-out refused: status ${done.status}`)
}

async function authorize(
  signIn: SignInServer,
  account: string,
  { browser, verifier }: { browser: Browser; verifier: string },
): Promise<string> {
  const state = randomBytes(16).toString('base64url')
  const redirectUri = redirectUriOf(signIn)
  const query = new URLSearchParams({
    client_id: signIn.client.clientId,
    response_type: 'code',
    redirect_uri: redirectUri,
    scope: 'openid profile chat',
    state,
    code_challenge: hash('sha256', verifier, 'base64url'),
    code_challenge_method: 'S256',
  })
  const page = await browser.visit(`${signIn.issuer}/auth?${query}`, {
    until: `${signIn.issuer}/sign-in/`,
  })
  if (!(page instanceof URL)) throw new Error(`no sign-in page: status ${page.status}`)
  const body = new URLSearchParams({ account })
  const back = await browser.visit(page.href, {
    until: redirectUri,
    init: { method: 'POST', body },
  })
  if (!(back instanceof URL)) throw new Error(`${account} is refused: status ${back.status}`)
  const code = back.searchParams.get('code')
  if (code === null) throw new Error(`no code: ${back.searchParams.get('error_description')}`)
  if (back.searchParams.get('state') !== state) throw new Error('the state is another')
  return code
}

async function redeem({ issuer, client }: SignInServer, code: string, verifier: string) {
  const {
    clientId,
    clientSecret,
    redirectUris: [redirectUri = ''],
  } = client
  const basic = Buffer.from(`${clientId}:${clientSecret}`).toString('base64')
  const response = await fetch(`${issuer}/token`, {
    method: 'POST',
    headers: clientSecret === undefined ? {} : { authorization: `Basic ${basic}` },
    body: new URLSearchParams({
      grant_type: 'authorization_code',
      client_id: clientId,
      code,
      code_verifier: verifier,
      redirect_uri: redirectUri,
    }),
  })
  if (!response.ok) throw new Error(`no tokens: status ${response.status}`)
  return tokenAnswer.parse(await response.json())
}

function redirectUriOf({ client }: SignInServer): string {
  const [uri] = client.redirectUris
  if (uri === undefined) throw new Error(`${client.clientId} has no redirect URI`)
  return uri
}
