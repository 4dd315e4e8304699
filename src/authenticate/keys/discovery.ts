// Asks an issuer where it publishes its keys (OpenID Connect Discovery 1.0 §4).

import { z } from 'zod'
import type { Clock } from '../../lib/clock.ts'
import { ServiceError } from '../../lib/errors.ts'
import { isSecureUrl, mayBeLoopback } from '../../lib/loopback.ts'
import { show } from '../../lib/show.ts'
import type { FetchJson } from './fetch-json.ts'

const LIFETIME_MS = 3_600_000
const IF_ABSENT = 'no discovery document there; name `jwks_uri` in the config, or correct `issuer`'

const documentSchema = z.looseObject({ issuer: z.string(), jwks_uri: z.string() })

/** The address of an issuer's discovery document. */
export function documentOf(issuer: string): string {
  return `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`
}

/** Keeps the answer for an hour. */
export function createDiscovery({
  issuer,
  fetchJson,
  now,
}: {
  /** As configured. */
  readonly issuer: string
  readonly fetchJson: FetchJson
  readonly now: Clock
}) {
  const address = new URL(documentOf(issuer))
  let known: { readonly url: URL; readonly at: number } | undefined

  return {
    /** @throws ServiceError `idp_unavailable` */
    async keySetUrl(): Promise<URL> {
      // If the clock was set back, the age is unknown.
      if (known !== undefined && Math.abs(now() - known.at) < LIFETIME_MS) return known.url
      const url = readDocument(await fetchJson(address, IF_ABSENT), issuer)
      known = { url, at: now() }
      return url
    },
    /** For an address that did not work, or whose set lacks a key: the next `keySetUrl()` asks the issuer again. */
    forget(): void {
      known = undefined
    },
  }
}

function readDocument(document: unknown, issuer: string): URL {
  const result = documentSchema.safeParse(document)
  if (!result.success) throw refused('issuer or jwks_uri is missing')
  // Discovery §4.3: otherwise one provider could publish keys for another.
  const named = result.data.issuer
  if (named !== issuer) {
    const slash = named.replace(/\/$/, '') === issuer.replace(/\/$/, '')
    const advice = slash ? `; write issuer: ${show(named)} in the config` : ''
    throw refused(`it names the issuer ${show(named)}, expected ${show(issuer)}${advice}`)
  }
  return readAddress(result.data.jwks_uri, new URL(issuer))
}

function readAddress(text: string, issuer: URL): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  // An https issuer never names a plain http key set. For an http issuer, `fetchJson` decides.
  const plain = issuer.protocol === 'http:' && url?.protocol === 'http:'
  if (url === undefined || !(isSecureUrl(url) || plain)) {
    throw refused('jwks_uri is not an https address')
  }
  if (url.username !== '' || url.password !== '') throw refused('jwks_uri holds credentials')
  // A provider on the network must not make us call a service of this machine.
  if (mayBeLoopback(url.hostname) && !mayBeLoopback(issuer.hostname)) {
    throw refused('jwks_uri is a loopback address')
  }
  return url
}

function refused(reason: string): ServiceError {
  return new ServiceError('idp_unavailable', { reason: `discovery document refused: ${reason}` })
}
