// Checks that config file and environment have everything that the admin console needs.

import { isSecureUrl } from '../../lib/loopback.ts'
import { randomKeyProblem } from '../../lib/secret.ts'
import type { Environment } from '../env.ts'
import { issuerProblem } from './checked-text.ts'
import { concreteIssuers } from './issuer-names.ts'
import { asList, asMapping, asText, type RawMapping, type Report } from './problems.ts'

/** Admins sign in at this issuer, so `insecure_http` does not apply to it. */
const INSECURE = 'must be https; plain http is only for loopback addresses'

/** Variable with the key of the console's cookies. */
const COOKIE_KEY = 'CONSOLE_COOKIE_KEY'

/** The console needs `admins` in the file, and an issuer whose tokens can be an admin's. */
export function reportConsoleProblems(data: RawMapping, report: Report): void {
  if (data['console'] === undefined) return
  if (data['admins'] === undefined) {
    report(['console'], 'needs `admins`, which says who may use it')
    return
  }
  const chosen = asText(asMapping(data['console'])['issuer'])
  if (chosen === undefined) return
  const path = ['console', 'issuer']
  const issuers = asList(data['issuers']).flatMap((one) => concreteIssuers(asMapping(one)))
  const problem = issuerProblem(chosen) ?? (isSecureUrl(new URL(chosen)) ? undefined : INSECURE)
  const admins = asMapping(data['admins'])['issuers']
  if (problem !== undefined) {
    report(path, problem)
  } else if (!issuers.some(({ issuer }) => issuer === chosen)) {
    report(path, 'is not one of the configured issuers; it must equal one exactly')
  } else if (admins !== undefined && !asList(admins).includes(chosen)) {
    report(path, 'is not in admins.issuers, so nobody who signs in there is an admin')
  }
}

/**
 * The console needs in the environment a `PUBLIC_URL` to which browsers return its cookies, and a cookie key
 * that all instances share.
 *
 * @returns one line for each problem
 */
export function consoleProblems(environment: Environment): string[] {
  return [...publicUrlProblems(environment.publicUrl), ...cookieKeyProblems(environment)]
}

function publicUrlProblems(publicUrl: string | undefined): string[] {
  if (publicUrl === undefined) {
    return [
      "PUBLIC_URL: needed by the console; set this service's URL, on your own machine http://localhost:8787",
    ]
  }
  // Over plain http anybody on the network could read the cookie, and browsers would drop a secure one.
  if (isSecureUrl(new URL(publicUrl))) return []
  return ['PUBLIC_URL: the console needs https; plain http is only for loopback']
}

function cookieKeyProblems({ secret, store }: Environment): string[] {
  const key = secret(COOKIE_KEY)?.().reveal()
  const problem = key === undefined ? undefined : randomKeyProblem(key)
  if (problem !== undefined) return [`${COOKIE_KEY}: ${problem}`]
  // Instances that share a store must share the key: otherwise each would reject the sign-ins of the others.
  if (key === undefined && store.kind === 'redis') {
    const advice = 'make one with: openssl rand -base64 32 | tr +/ -_'
    return [`${COOKIE_KEY}: needed by the console with Redis; ${advice}`]
  }
  return []
}
