// Finds an identity provider for those who sign people in there: the console and the command line. It does not verify
// users' tokens.

import * as oidc from 'openid-client'
import type { Dispatcher } from 'undici'
import { ServiceError } from '../lib/errors.ts'
import { usableKeys } from '../lib/key-set.ts'
import { isSecureUrl, mayBeLoopback } from '../lib/loopback.ts'
import { readBounded } from '../lib/read-bounded.ts'
import { reasonOf, show } from '../lib/show.ts'
import { USER_AGENT } from '../lib/version.ts'
import { documentOf } from './keys/discovery.ts'

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
  const ask = createProviderFetch(url, dispatcher)
  const execute = checksFor(url)
  try {
    const configuration = await oidc.discovery(url, clientId, undefined, authentication, {
      execute,
      timeout: 5,
      [oidc.customFetch]: ask,
    })
    const found = configuration.serverMetadata()
    // OpenID Connect Discovery 1.0 §4.3: byte for byte.
    if (found.issuer !== issuer) {
      const named = `the issuer ${show(found.issuer)}, expected ${show(issuer)}`
      throw new Error(`the discovery document names ${named}`)
    }
    // Providers that only sign tokens have none (Firebase).
    const endpoint = URL.parse(found.authorization_endpoint ?? '')
    if (endpoint === null || !isSecureUrl(endpoint)) {
      throw new Error('authorization_endpoint is missing or no https address')
    }
    configuration[oidc.customFetch] = withUsableKeys(ask, found.jwks_uri)
    return configuration
  } catch (cause) {
    throw notDiscovered(issuer, cause)
  }
}

/** Signatures are checked too, although the token comes straight from the provider: keys are cheap. */
function checksFor(issuer: URL) {
  const checks = [oidc.enableNonRepudiationChecks]
  return issuer.protocol === 'http:' ? [...checks, oidc.allowInsecureRequests] : checks
}

/**
 * The same client, which fetches the provider's keys anew. openid-client keeps keys for minutes, and refuses
 * meanwhile what is signed with a key that the provider began to use since.
 *
 * @param clockTolerance - seconds by which the provider's clock may differ from ours
 */
export function withNewKeys(
  known: oidc.Configuration,
  authentication: oidc.ClientAuth,
  clockTolerance: number,
): oidc.Configuration {
  const server = known.serverMetadata()
  const { client_id: clientId } = known.clientMetadata()
  const metadata = { [oidc.clockTolerance]: clockTolerance }
  const client = new oidc.Configuration(server, clientId, metadata, authentication)
  client.timeout = known.timeout
  const ask = known[oidc.customFetch]
  if (ask !== undefined) client[oidc.customFetch] = ask
  for (const check of checksFor(new URL(server.issuer))) check(client)
  return client
}

/** Reads the provider's key set by the rules for issuers' key sets: one bad or repeated key stops no sign-in. */
function withUsableKeys(ask: oidc.CustomFetch, keySet = ''): oidc.CustomFetch {
  const keySetAddress = URL.parse(keySet)?.href
  return async (address, options) => {
    const answer = await ask(address, options)
    if (address !== keySetAddress) return answer
    if (answer.status !== 200) {
      const reason = `identity provider: GET ${address}: answered ${answer.status}`
      throw new ServiceError('idp_unavailable', { reason })
    }
    const set: unknown = await answer.json().catch(() => undefined)
    return Response.json({ keys: usableKeys(set, () => undefined) })
  }
}

/** Providers that only sign tokens have no discovery document. */
function notDiscovered(issuer: string, cause: unknown): ServiceError {
  let answer = cause
  for (; answer instanceof Error; answer = answer.cause) {
    // Of our own fetch: it names the address and the fault, and what openid-client puts around it does not.
    if (answer instanceof ServiceError) return answer
  }
  if (!(answer instanceof Response)) {
    return new ServiceError('idp_unavailable', { reason: 'identity provider: discovery', cause })
  }
  const reason = `identity provider: no discovery document at ${documentOf(issuer)}, which answered ${answer.status}`
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
  const local = mayBeLoopback(issuer.hostname)
  return async (address, { headers, method, body }) => {
    const url = new URL(address)
    try {
      if (!isSecureUrl(url) || (mayBeLoopback(url.hostname) && !local)) {
        throw new Error('not an address for an identity provider')
      }
      const answer = await dispatcher.request({
        origin: url.origin,
        path: url.pathname + url.search,
        method,
        // Without the second, any coding may come (RFC 9110 §12.5.3), and none is decoded here.
        headers: { ...headers, 'user-agent': USER_AGENT, 'accept-encoding': 'identity' },
        body: body?.toString() ?? null,
        signal: AbortSignal.timeout(DEADLINE_MS),
      })
      const { statusCode: status } = answer
      const bytes = await readBounded(answer.body, MAX_BYTES)
      if (status >= 500 || status === 429) throw new Error(`answered ${status}`)
      const content = bytes.length === 0 ? null : new Uint8Array(bytes)
      return new Response(content, { status, headers: headersOf(answer) })
    } catch (cause) {
      const reason = `identity provider: ${method} ${url.origin}${url.pathname}: ${reasonOf(cause)}`
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
