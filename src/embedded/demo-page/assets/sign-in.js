// Signs in by the authorization code flow with PKCE (RFC 6749 §4.1, RFC 7636), without a library, to show that a page
// needs none. The token stays in memory. Only state and verifier are stored during the redirect; both work once.

/** @typedef {{ issuer: string, client_id: string }} Provider */

const KEPT = 'demo-sign-in'
const REDIRECT_URI = `${location.origin}/demo`

/**
 * Leaves for the provider's page.
 *
 * @param {Provider} provider
 */
export async function startSignIn(provider) {
  const kept = { state: random(), verifier: random() }
  sessionStorage.setItem(KEPT, JSON.stringify(kept))
  const { authorization_endpoint } = await discover(provider)
  const url = new URL(authorization_endpoint)
  url.search = new URLSearchParams({
    client_id: provider.client_id,
    response_type: 'code',
    redirect_uri: REDIRECT_URI,
    scope: 'openid profile chat',
    state: kept.state,
    code_challenge: await challengeOf(kept.verifier),
    code_challenge_method: 'S256',
    // Always ask, so that another person can sign in.
    prompt: 'login',
  }).toString()
  location.assign(url)
}

/**
 * Ends the sign-in after the provider has sent the browser back.
 *
 * @param {Provider} provider
 * @returns {Promise<string | undefined>} the access token; undefined when no sign-in is under way
 * @throws {Error} when the sign-in was refused, or is not the one that began here
 */
export async function finishSignIn(provider) {
  const answer = new URLSearchParams(location.search)
  const kept = JSON.parse(sessionStorage.getItem(KEPT) ?? 'null')
  sessionStorage.removeItem(KEPT)
  history.replaceState(null, '', '/demo')
  if (!answer.has('state')) return undefined
  if (kept === null || answer.get('state') !== kept.state) {
    throw new Error('This sign-in did not begin in this window. Start again.')
  }
  const code = answer.get('code')
  if (code === null) {
    throw new Error(`The sign-in was refused: ${answer.get('error_description') ?? 'no reason'}.`)
  }
  return redeem(provider, code, kept.verifier)
}

/**
 * @param {Provider} provider
 * @param {string} code
 * @param {string} verifier
 * @returns {Promise<string>}
 */
async function redeem(provider, code, verifier) {
  const { token_endpoint } = await discover(provider)
  const response = await fetch(token_endpoint, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'authorization_code',
      client_id: provider.client_id,
      redirect_uri: REDIRECT_URI,
      code,
      code_verifier: verifier,
    }),
  })
  if (!response.ok) throw new Error(`The sign-in gave no token: status ${response.status}.`)
  return (await response.json()).access_token
}

/**
 * OpenID Connect Discovery 1.0 §4.
 *
 * @param {Provider} provider
 * @returns {Promise<{ authorization_endpoint: string, token_endpoint: string }>}
 */
async function discover({ issuer }) {
  const response = await fetch(`${issuer}/.well-known/openid-configuration`)
  if (!response.ok) throw new Error(`The sign-in does not answer: status ${response.status}.`)
  return response.json()
}

/** @param {string} verifier */
async function challengeOf(verifier) {
  const hash = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(verifier))
  return base64url(new Uint8Array(hash))
}

function random() {
  return base64url(crypto.getRandomValues(new Uint8Array(32)))
}

/** @param {Uint8Array} bytes */
function base64url(bytes) {
  const text = btoa(String.fromCharCode(...bytes))
  return text.replace(/\+/g, '-').replace(/\//g, '_').replace(/=/g, '')
}
