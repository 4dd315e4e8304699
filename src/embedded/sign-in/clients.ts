// The OAuth clients of the embedded sign-in.

import { isLoopback } from '../../lib/loopback.ts'

/** An app that signs its users in at the embedded sign-in. */
export interface SignInClient {
  readonly clientId: string
  /** Compared exactly, except that a loopback URI may have any port. */
  readonly redirectUris: readonly string[]
  readonly postLogoutRedirectUris?: readonly string[]
  /** The secret of a confidential client. A client without one is public and must use PKCE. */
  readonly clientSecret?: string
  /** Gets a logout token when a user of this client signs out (OpenID Connect Back-Channel Logout). */
  readonly backchannelLogoutUri?: string
}

/** A public client for apps in development on this machine. */
export const WEB_APP: SignInClient = {
  clientId: 'web-app',
  redirectUris: ['http://127.0.0.1/callback', 'http://localhost/callback'],
  postLogoutRedirectUris: ['http://127.0.0.1/', 'http://localhost/'],
}

/**
 * The admin console of a service on this machine.
 *
 * @param clientSecret - the one in the service's config
 * @param publicUrl - `PUBLIC_URL` of the service; any port of this machine when absent
 */
export function consoleClient(clientSecret: string, publicUrl?: string): SignInClient {
  const onAnyPort = ['http://127.0.0.1', 'http://localhost']
  const roots = publicUrl === undefined ? onAnyPort : [new URL(publicUrl).href]
  const redirectUris = roots.map((root) => `${root.replace(/\/+$/, '')}/admin/callback`)
  return { clientId: 'console', redirectUris, clientSecret }
}

/** The demo's page, on any port of this machine. */
export const DEMO_PAGE: SignInClient = {
  clientId: 'demo-page',
  redirectUris: ['http://127.0.0.1/demo', 'http://localhost/demo'],
}

/**
 * A client in oidc-provider's own form.
 *
 * @param algorithm - signs its ID and logout tokens
 */
export function clientMetadata(client: SignInClient, algorithm: string): Record<string, unknown> {
  const { clientSecret, backchannelLogoutUri } = client
  const secret =
    clientSecret === undefined
      ? { token_endpoint_auth_method: 'none' }
      : { token_endpoint_auth_method: 'client_secret_basic', client_secret: clientSecret }
  const logout = backchannelLogoutUri !== undefined && {
    backchannel_logout_uri: backchannelLogoutUri,
    backchannel_logout_session_required: true,
  }
  return {
    client_id: client.clientId,
    // Only native clients may have loopback redirects on any port (RFC 8252 §7.3).
    application_type: client.redirectUris.some(isLoopbackHttp) ? 'native' : 'web',
    redirect_uris: [...client.redirectUris],
    post_logout_redirect_uris: [...(client.postLogoutRedirectUris ?? [])],
    response_types: ['code'],
    grant_types: ['authorization_code'],
    id_token_signed_response_alg: algorithm,
    ...secret,
    ...logout,
  }
}

function isLoopbackHttp(uri: string): boolean {
  const url = new URL(uri)
  return url.protocol === 'http:' && isLoopback(url.hostname)
}
