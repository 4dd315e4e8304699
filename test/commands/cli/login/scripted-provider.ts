import { createHash, randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { listenOnLoopback } from '../../../../src/embedded/kit/listen.ts'

/** The next behaviour of the provider; tests change it. */
export interface Script {
  /** Access tokens are no JWTs. */
  opaque: boolean
  refresh: boolean
  tokenSeconds: number
  /** Instead of the issuer in the discovery document. */
  namesIssuer: string | undefined
  /** Endpoints that the discovery document leaves out. */
  without: string[]
  /** OAuth errors of the token endpoint, one for each call, before it answers. */
  errors: string[]
  /** Status of the revocation endpoint. */
  revocationStatus: number
  /** Seconds between two questions for a device code's tokens. */
  deviceInterval: number
}

const START: Script = {
  opaque: false,
  refresh: true,
  tokenSeconds: 3600,
  namesIssuer: undefined,
  without: [],
  errors: [],
  revocationStatus: 200,
  deviceInterval: 0.01,
}

/** An OpenID provider on loopback that signs ada in at once, with refresh tokens, device codes and revocation. */
export async function startScriptedProvider() {
  const { privateKey, publicKey } = await generateKeyPair('ES256')
  const jwk = { ...(await exportJWK(publicKey)), alg: 'ES256', kid: 'one', use: 'sig' }
  const script: Script = { ...START }
  const requests: { readonly path: string; readonly form: URLSearchParams }[] = []
  const codes = new Map<string, URLSearchParams>()
  let refreshToken = ''
  const server = createServer((request, response) => void answer(request, response))
  const { origin: issuer, close } = await listenOnLoopback(server)

  function metadata() {
    const all = {
      issuer: script.namesIssuer ?? issuer,
      authorization_endpoint: `${issuer}/auth`,
      token_endpoint: `${issuer}/token`,
      jwks_uri: `${issuer}/jwks`,
      device_authorization_endpoint: `${issuer}/device`,
      revocation_endpoint: `${issuer}/revoke`,
      id_token_signing_alg_values_supported: ['ES256'],
      scopes_supported: ['openid', 'profile', 'offline_access'],
    }
    return Object.fromEntries(
      Object.entries(all).filter(([name]) => !script.without.includes(name)),
    )
  }

  async function signed(claims: Record<string, unknown>): Promise<string> {
    const now = Math.floor(Date.now() / 1000)
    const times = { iat: now, exp: now + script.tokenSeconds }
    const header = { alg: 'ES256', kid: 'one' }
    return await new SignJWT({ iss: issuer, sub: 'ada', jti: randomUUID(), ...times, ...claims })
      .setProtectedHeader(header)
      .sign(privateKey)
  }

  async function tokens(form: URLSearchParams): Promise<[number, object]> {
    const error = script.errors.shift()
    if (error !== undefined) return [400, { error }]
    const asked = codes.get(form.get('code') ?? '')
    const grant = form.get('grant_type')
    if (grant === 'authorization_code') {
      const challenge = createHash('sha256').update(form.get('code_verifier') ?? '')
      const right = challenge.digest('base64url') === asked?.get('code_challenge')
      if (!right || form.get('redirect_uri') !== asked?.get('redirect_uri')) {
        return [400, { error: 'invalid_grant' }]
      }
    }
    if (grant === 'refresh_token' && form.get('refresh_token') !== refreshToken) {
      return [400, { error: 'invalid_grant' }]
    }
    const nonce = asked?.get('nonce')
    refreshToken = script.refresh ? randomUUID() : ''
    const made = {
      token_type: 'Bearer',
      // Of the access token, which need not end with its `exp`.
      expires_in: script.tokenSeconds + 60,
      access_token: script.opaque ? randomUUID() : await signed({ aud: 'chat-api' }),
      id_token: await signed({ aud: 'cli', ...(nonce && { nonce }) }),
      ...(refreshToken && { refresh_token: refreshToken }),
    }
    return [200, made]
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', issuer)
    const form = new URLSearchParams(await text(request))
    requests.push({ path: url.pathname, form })
    const send = (status: number, body: unknown, headers: Record<string, string> = {}) => {
      response.writeHead(status, { 'content-type': 'application/json', ...headers })
      response.end(body === undefined ? '' : JSON.stringify(body))
    }
    switch (url.pathname) {
      case '/.well-known/openid-configuration':
        return send(200, metadata())
      case '/jwks':
        return send(200, { keys: [jwk] })
      case '/auth': {
        const code = randomUUID()
        codes.set(code, url.searchParams)
        const state = url.searchParams.get('state') ?? ''
        const back = new URLSearchParams({ code, state })
        return send(302, undefined, { location: `${url.searchParams.get('redirect_uri')}?${back}` })
      }
      case '/device':
        return send(200, {
          device_code: 'device-code',
          user_code: 'WDJB-MJHT',
          verification_uri: `${issuer}/enter`,
          expires_in: 60,
          interval: script.deviceInterval,
        })
      case '/token':
        return send(...(await tokens(form)))
      case '/revoke':
        return send(script.revocationStatus, undefined)
      default:
        return send(404, undefined)
    }
  }

  return {
    issuer,
    script,
    requests,
    /** Resets the behaviour and the recorded requests. */
    reset() {
      Object.assign(script, START, { without: [], errors: [] })
      requests.length = 0
    },
    close,
  }
}
