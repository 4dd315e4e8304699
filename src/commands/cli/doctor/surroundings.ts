// Checks the issuers' keys and the service's own URL, and names the proxies in use.

import { type Dispatcher, request } from 'undici'
import { createIssuers, type Issuer, keysFor } from '../../../authenticate/issuers.ts'
import { documentOf } from '../../../authenticate/keys/discovery.ts'
import { readByProxies } from '../../../config/environment-notes.ts'
import type { Proxies } from '../../../config/proxies.ts'
import type { Setup } from '../../../config/setup.ts'
import type { Clock } from '../../../lib/clock.ts'
import type { ProxyFor } from '../../../lib/connections.ts'
import { systemCode } from '../../../lib/errors.ts'
import { createLog } from '../../../lib/log.ts'
import { isSecureUrl } from '../../../lib/loopback.ts'
import { reasonOf } from '../../../lib/show.ts'
import { USER_AGENT } from '../../../lib/version.ts'
import { adviceOnConnection } from './connection-advice.ts'
import { type Finding, note, ok, wrong } from './finding.ts'

const PUBLIC_URL_MS = 3000

/** Shows the proxies for calls, without passwords. */
export function describeProxies({ environment, settings }: Setup): Finding[] {
  const { shown } = environment.proxies
  if (shown === undefined) return []
  const { https = 'none', http = 'none', no_proxy: exempt } = shown
  const apart = exempt === undefined ? '' : `, apart from NO_PROXY (${exempt})`
  const message = `for https ${https}, for plain http ${http}${apart}`
  const notes = readByProxies(environment, settings).map((line) => note('proxy', line))
  return [ok('proxy', message), ...notes]
}

/** Fetches the keys of each issuer, with the service's own code. */
export async function checkIssuers(
  { settings, environment }: Setup,
  { dispatcher, now }: { readonly dispatcher: Dispatcher; readonly now: Clock },
): Promise<Finding[]> {
  const log = createLog({ level: 'silent' })
  const secrets = (name: string) => environment.secret(name)?.()
  // A key set or secret that stops a start is a finding on the config, after which nothing else is looked at.
  const issuers = createIssuers({ issuers: settings.issuers, secrets, dispatcher, log, now })
  return Promise.all(
    Array.from(issuers.values(), (issuer) => checkIssuer(issuer, environment.proxies)),
  )
}

async function checkIssuer(issuer: Issuer, { proxyFor }: Proxies): Promise<Finding> {
  const { settings } = issuer
  const check = `issuer ${settings.issuer}`
  try {
    const usable: string[] = []
    for (const alg of settings.algorithms) {
      const found = await keysFor(issuer, alg).find({ alg, kid: undefined, typ: undefined })
      if (found.keys.length > 0) usable.push(alg)
    }
    if (usable.length > 0) return ok(check, `has keys for ${usable.join(', ')}`)
    const wanted = settings.algorithms.join(', ')
    return wrong(
      check,
      `its key set has no key for ${wanted}`,
      'check `algorithms`, or the signing algorithm of the identity provider',
    )
  } catch (error) {
    return wrong(check, reasonOf(error), adviceOnIssuer(error, settings, proxyFor))
  }
}

function adviceOnIssuer(
  error: unknown,
  { issuer, keys }: Issuer['settings'],
  proxyFor: ProxyFor,
): string {
  const named = keys.kind === 'jwks_uri' ? keys.url : undefined
  if (systemCode(error) !== undefined || hasTimedOut(error)) {
    const setting = named === undefined ? 'issuer' : 'jwks_uri'
    return adviceOnConnection(error, { url: named ?? issuer, setting, proxyFor })
  }
  if (named !== undefined) {
    return `see that jwks_uri (${named}) is where the provider publishes its keys, and answers with them; then look at proxies on the way`
  }
  return `compare issuer (${issuer}) with ${documentOf(issuer)}, letter by letter; see that its jwks_uri answers with keys; then look at proxies on the way`
}

/** A deadline that passed has no code of the system. */
function hasTimedOut(error: unknown): boolean {
  return error instanceof Error && (error.name === 'TimeoutError' || hasTimedOut(error.cause))
}

/**
 * Checks whether this service, or a proxy in front of it, answers at `PUBLIC_URL`. A service that does not run
 * yet is no fault.
 *
 * @param publicUrl - of the environment
 */
export async function checkPublicUrl(
  publicUrl: string | undefined,
  dispatcher: Dispatcher,
): Promise<Finding[]> {
  if (publicUrl === undefined) return []
  const check = 'PUBLIC_URL'
  const insecure = isSecureUrl(new URL(publicUrl))
    ? []
    : [
        note(
          check,
          `${publicUrl} is plain http`,
          'tokens and client secrets can be read on the way: use https',
        ),
      ]
  return [...insecure, await lookAt(check, publicUrl, dispatcher)]
}

async function lookAt(check: string, publicUrl: string, dispatcher: Dispatcher): Promise<Finding> {
  const url = `${publicUrl}/livez`
  const signal = AbortSignal.timeout(PUBLIC_URL_MS)
  try {
    const { statusCode, body } = await request(url, {
      dispatcher,
      signal,
      headers: { 'user-agent': USER_AGENT },
    })
    await body.dump({ limit: 65_536 })
    if (statusCode === 200) return ok(check, `${url} answers`)
    const advice = 'the service is not there, or what stands before it does not pass /livez on'
    return note(check, `${url} answered ${statusCode}`, advice)
  } catch (error) {
    return note(check, `${url}: ${reasonOf(error)}`, 'no fault while the service does not run yet')
  }
}
