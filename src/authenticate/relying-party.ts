// Finds an identity provider for those who sign people in there: the console and the command line. It does not verify
// users' tokens.

import * as oidc from 'openid-client'
import { type Dispatcher, request } from 'undici'
import { ServiceError } from '../lib/errors.ts'
import { isLoopback, isSecureUrl } from '../lib/loopback.ts'
import { readBounded } from '../lib/read-bounded.ts'
import { show } from '../lib/show.ts'
import { USER_AGENT } from '../lib/version.ts'

/**
 * The provider's endpoints, as one client sees them.
 *
 * @throws `idp_unavailable` when there is no discovery document within 5 s, or one of another issuer
 */
export async function discoverProvider({
  issuer,
  clientId,
  authentication,
  dispatcher,
}: {
  readonly issuer: string
  readonly clientId: string
  /** How the client proves itself at the token endpoint. */
  readonly authentication: oidc.ClientAuth
  readonly dispatcher: Dispatcher
}): Promise<oidc.Configuration> {
  const url = new URL(issuer)
  // Signatures are checked too, although the token comes straight from the provider: keys are cheap.
  const execute = [oidc.enableNonRepudiationChecks]
  if (url.protocol === 'http:') execute.push(oidc.allowInsecureRequests)
  try {
    const configuration = await oidc.discovery(url, clientId, undefined, authentication, {
      execute,
      timeout: 5,
      [oidc.customFetch]: createProviderFetch(url, dispatcher),
    })
    const found = configuration.serverMetadata()
    // OpenID Connect Discovery 1.0 §4.3: byte for byte.
    if (found.issuer !== issuer) {
      const named = `the issuer ${show(found.issuer)}, expected ${show(issuer)}`
      throw new Error(`the discovery document names ${named}`)
    }
    if (!isSecureUrl(new URL(found.authorization_endpoint ?? ''))) {
      throw new Error('authorization_endpoint is not https')
    }
    return configuration
  } catch (cause) {
    throw notDiscovered(issuer, cause)
  }
}

/** Providers that only sign tokens have no discovery document. */
function notDiscovered(issuer: string, cause: unknown): ServiceError {
  let answer = cause
  while (answer instanceof Error) answer = answer.cause
  if (!(answer instanceof Response)) {
    return new ServiceError('idp_unavailable', { reason: 'identity provider: discovery', cause })
  }
  const address = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`
  const reason = `identity provider: no discovery document at ${address}, which answered ${answer.status}`
  return new ServiceError('idp_unavailable', { reason })
}

const MAX_BYTES = 256 * 1024
const DEADLINE_MS = 5_000

/**
 * openid-client calls the provider through this: https, no redirects, bounded in time and size, and
 * loopback only for an issuer on loopback, whatever a discovery document says.
 *
 * @returns a function that throws `idp_unavailable`
 */
function createProviderFetch(issuer: URL, dispatcher: Dispatcher): oidc.CustomFetch {
  const local = isLoopback(issuer.hostname)
  return async (address, { headers, method, body }) => {
    const url = new URL(address)
    try {
      if (!isSecureUrl(url) || (isLoopback(url.hostname) && !local)) {
        throw new Error('not an address for an identity provider')
      }
      const answer = await request(url, {
        dispatcher,
        method,
        headers: { ...headers, 'user-agent': USER_AGENT },
        body: body?.toString() ?? null,
        signal: AbortSignal.timeout(DEADLINE_MS),
      })
      const { statusCode: status } = answer
      const bytes = await readBounded(answer.body, MAX_BYTES)
      if (status >= 500 || status === 429) throw new Error(`answered ${status}`)
      const content = bytes.length === 0 ? null : new Uint8Array(bytes)
      return new Response(content, { status, headers: headersOf(answer) })
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : 'unknown error'
      const reason = `identity provider: ${method} ${url.origin}${url.pathname}: ${why}`
      throw new ServiceError('idp_unavailable', { reason, cause })
    }
  }
}

function headersOf({ headers }: Pick<Dispatcher.ResponseData, 'headers'>): Headers {
  const entries = Object.entries(headers).flatMap(([name, values = []]) => {
    return [values].flat().map((value): [string, string] => [name, value])
  })
  return new Headers(entries)
}
