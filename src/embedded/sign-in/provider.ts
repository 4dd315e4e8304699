// Configures oidc-provider as the embedded sign-in.

import { createMemoryAdapter } from 'oidc-provider/lib/adapters/memory_adapter.js'
import { base as interactionPolicy } from 'oidc-provider/lib/helpers/interaction_policy/index.js'
import {
  type AccessToken,
  type Grant,
  type KoaContext,
  Provider,
} from 'oidc-provider/lib/provider.js'
import { isLoopback } from '../../lib/loopback.ts'
import { newRandomKey } from '../../lib/secret.ts'
import type { Accounts } from './accounts.ts'
import { clientMetadata, type SignInClient } from './clients.ts'
import type { PrivateKey } from './keys.ts'
import { errorPage, signedOutPage, signOutPage } from './pages.ts'

/** Path of the page for choosing an account; the interaction's id comes after it. */
export const SIGN_IN_PATH = '/sign-in/'

const DAY_SECONDS = 86_400
/** `aud` of the access tokens. */
export const AUDIENCE = 'chat-api'
/** A resource indicator is an absolute URI (RFC 8707 §2). */
const RESOURCE = `urn:${AUDIENCE}`
const API_SCOPE = 'chat'
const OPENID_SCOPE = 'openid profile'

/** An OpenID provider with its own storage, keys, pages and lifetimes, so that oidc-provider prints no warnings. */
export function createProvider({
  issuer,
  key,
  accounts,
  clients,
  tokenSeconds,
}: {
  readonly issuer: string
  /** Signs all tokens. */
  readonly key: PrivateKey
  readonly accounts: Accounts
  readonly clients: readonly SignInClient[]
  /** Life of the tokens. */
  readonly tokenSeconds: number
}): Provider {
  const { alg: algorithm } = key
  const provider: Provider = new Provider(issuer, {
    adapter: createMemoryAdapter(),
    clients: clients.map((client) => clientMetadata(client, algorithm)),
    jwks: { keys: [key] },
    cookies: { keys: [newRandomKey()] },
    ttl: {
      AccessToken: tokenSeconds,
      AuthorizationCode: 60,
      IdToken: tokenSeconds,
      Interaction: 3600,
      Session: DAY_SECONDS,
      Grant: DAY_SECONDS,
    },
    scopes: ['openid', API_SCOPE],
    claims: { openid: ['sub'], profile: claimNames(accounts) },
    // Otherwise groups and roles would be in the answer of /me only.
    conformIdTokenClaims: false,
    findAccount: (_context: unknown, id: string) => findAccount(accounts, id),
    extraTokenClaims: (_context: unknown, token: AccessToken) =>
      accessTokenClaims(provider, accounts, token),
    loadExistingGrant: grantEverything,
    interactions: {
      policy: withoutConsent(),
      url: (_context: unknown, { uid }: { readonly uid: string }) => SIGN_IN_PATH + uid,
    },
    clientBasedCORS: (_context: unknown, origin: string) =>
      URL.canParse(origin) && isLoopback(new URL(origin).hostname),
    // oidc-provider's own dispatcher refuses loopback addresses, which are the only ones here.
    fetch: (url: string, { dispatcher: _, ...init }: RequestInit & { dispatcher?: unknown }) =>
      fetch(url, init),
    renderError: (context: KoaContext, { error, error_description: why }: OidcError) =>
      render(context, errorPage([error, why].filter(Boolean).join(': '))),
    features: features(algorithm, tokenSeconds),
  })
  return provider
}

interface OidcError {
  readonly error: string
  readonly error_description?: string
}

function features(algorithm: string, tokenSeconds: number) {
  const server = {
    scope: API_SCOPE,
    audience: AUDIENCE,
    accessTokenTTL: tokenSeconds,
    accessTokenFormat: 'jwt',
    jwt: { sign: { alg: algorithm } },
  }
  return {
    devInteractions: { enabled: false },
    backchannelLogout: { enabled: true },
    // Every access token is for the one API, whether the client names it or not (RFC 8707).
    resourceIndicators: {
      enabled: true,
      defaultResource: () => RESOURCE,
      useGrantedResource: () => true,
      getResourceServerInfo: () => server,
    },
    rpInitiatedLogout: {
      enabled: true,
      logoutSource: (context: KoaContext, form: string) => render(context, signOutPage(form)),
      postLogoutSuccessSource: (context: KoaContext) => render(context, signedOutPage()),
    },
  }
}

function claimNames(accounts: Accounts): string[] {
  return [...new Set(['name', ...Object.values(accounts).flatMap(Object.keys)])]
}

function findAccount(accounts: Accounts, id: string) {
  if (!Object.hasOwn(accounts, id)) return undefined
  return { accountId: id, claims: () => ({ sub: id, name: id, ...accounts[id] }) }
}

async function accessTokenClaims(provider: Provider, accounts: Accounts, token: AccessToken) {
  const { accountId = '', sessionUid, clientId } = token
  const session =
    sessionUid === undefined ? undefined : await provider.Session.findByUid(sessionUid)
  const sid = session?.sidFor(clientId)
  return { ...accounts[accountId], ...(sid !== undefined && { sid }) }
}

/** There is no consent, because apps and people belong to the developer. */
function withoutConsent() {
  const policy = interactionPolicy()
  policy.remove('consent')
  return policy
}

async function grantEverything({ oidc }: KoaContext): Promise<Grant> {
  const { provider, session, client } = oidc
  const known = session.grantIdFor(client.clientId)
  const existing = known === undefined ? undefined : await provider.Grant.find(known)
  if (existing !== undefined) return existing
  const grant = new provider.Grant({ accountId: session.accountId, clientId: client.clientId })
  grant.addOIDCScope(OPENID_SCOPE)
  grant.addResourceScope(RESOURCE, API_SCOPE)
  await grant.save()
  return grant
}

function render(context: KoaContext, page: string): void {
  context.type = 'html'
  context.body = page
}
