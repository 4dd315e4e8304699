import type { CustomFetch } from 'openid-client'
import { ServiceError } from '../../lib/errors.ts'
import { isLoopback, isSecureUrl } from '../../lib/loopback.ts'
import { readBounded } from '../../lib/read-bounded.ts'

const MAX_BYTES = 256 * 1024
const DEADLINE_MS = 5_000

/**
 * The way to the identity provider for openid-client: https, no redirects, bounded in time and size,
 * and this machine only for an issuer on it, whatever a discovery document says.
 *
 * @param issuer - its address
 * @returns a function that throws `idp_unavailable`
 */
export function createProviderFetch(issuer: URL): CustomFetch {
  const local = isLoopback(issuer.hostname)
  return async (address, { headers, method, body }) => {
    const url = new URL(address)
    try {
      if (!isSecureUrl(url) || (isLoopback(url.hostname) && !local)) {
        throw new Error('not an address for an identity provider')
      }
      const response = await fetch(url, {
        method,
        headers,
        body: body ?? null,
        redirect: 'manual',
        signal: AbortSignal.timeout(DEADLINE_MS),
      })
      const bytes = response.body === null ? null : await readBounded(response.body, MAX_BYTES)
      if (response.status >= 500 || response.status === 429) {
        throw new Error(`answered ${response.status}`)
      }
      return new Response(bytes && new Uint8Array(bytes), response)
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : 'unknown error'
      const reason = `console sign-in: ${method} ${url.origin}${url.pathname}: ${why}`
      throw new ServiceError('idp_unavailable', { reason, cause })
    }
  }
}
