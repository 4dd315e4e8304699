import { z } from 'zod'
import type { Clock } from '../../lib/clock.ts'
import { ServiceError } from '../../lib/errors.ts'
import { isLoopback, isSecureUrl } from '../../lib/loopback.ts'
import type { FetchJson } from './fetch-json.ts'

const LIFETIME_MS = 3_600_000

const documentSchema = z.looseObject({ issuer: z.string(), jwks_uri: z.string() })

/** Where an issuer publishes its keys, asked from the issuer itself. */
export interface Discovery {
  /** @throws ServiceError `idp_unavailable` */
  keySetUrl(): Promise<URL>
  /** Asks again next time: the address did not work. */
  forget(): void
}

/**
 * OpenID Connect Discovery 1.0 §4: the answer is kept for an hour.
 *
 * @param options - `issuer`, as configured; `fetchJson`, the way to the network; `now`, the clock
 */
export function createDiscovery(options: {
  readonly issuer: string
  readonly fetchJson: FetchJson
  readonly now: Clock
}): Discovery {
  const { issuer, fetchJson, now } = options
  const address = new URL(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`)
  let known: { readonly url: URL; readonly until: number } | undefined

  return {
    async keySetUrl() {
      if (known !== undefined && now() < known.until) return known.url
      const url = readDocument(await fetchJson(address), issuer)
      known = { url, until: now() + LIFETIME_MS }
      return url
    },
    forget() {
      known = undefined
    },
  }
}

function readDocument(document: unknown, issuer: string): URL {
  const result = documentSchema.safeParse(document)
  if (!result.success) throw refused('issuer or jwks_uri is missing')
  // Discovery §4.3: or one provider could publish the keys of another.
  if (result.data.issuer !== issuer) throw refused('it is of another issuer')
  return readAddress(result.data.jwks_uri, new URL(issuer))
}

function readAddress(text: string, issuer: URL): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !isSecureUrl(url)) throw refused('jwks_uri is not an https address')
  if (url.username !== '' || url.password !== '') throw refused('jwks_uri holds credentials')
  // A provider on the network must not make us call what listens on this machine.
  if (isLoopback(url.hostname) && !isLoopback(issuer.hostname)) {
    throw refused('jwks_uri is a loopback address')
  }
  return url
}

function refused(reason: string): ServiceError {
  return new ServiceError('idp_unavailable', { reason: `discovery document refused: ${reason}` })
}
