// Signs a person in and out at the embedded sign-in, as a browser would.

import { hash, randomBytes } from 'node:crypto'
import { z } from 'zod'
import type { SignInServer } from '../../../src/embedded/sign-in/sign-in.ts'
import { type Browser, createBrowser } from './browser.ts'

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
  await browser.go(`${signIn.issuer}/session/end?${query}`)
  const done = await browser.submit('/session/end/confirm', { logout: 'yes' })
  if (done.status !== 200) throw new Error(`sign-out refused: status ${done.status}`)
}

async function authorize(
  { issuer, client }: SignInServer,
  account: string,
  { browser, verifier }: { browser: Browser; verifier: string },
): Promise<string> {
  const [redirectUri = ''] = client.redirectUris
  const query = new URLSearchParams({
    client_id: client.clientId,
    response_type: 'code',
    redirect_uri: redirectUri,
    scope: 'openid profile chat',
    code_challenge: hash('sha256', verifier, 'base64url'),
    code_challenge_method: 'S256',
  })
  await browser.go(`${issuer}/auth?${query}`)
  const back = await browser.submit('/sign-in/', { account }, redirectUri)
  const code = URL.parse(back.url)?.searchParams.get('code')
  if (!code) throw new Error(`${account} is refused: status ${back.status}`)
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
