// Checks issuers against each other, their keys against their algorithms, and admins against issuers.

import { keySetProblem } from '../../lib/key-set.ts'
import { concreteIssuers, reportIssuerName } from './issuer-names.ts'
import { asList, asMapping, asText, type Path, type RawMapping, type Report } from './problems.ts'
import { inlineKeySet, SECRET_ALGORITHMS } from './schema-issuer.ts'

const SECRET: ReadonlySet<unknown> = new Set(SECRET_ALGORITHMS)

const isPublic = (algorithm: unknown): algorithm is string =>
  typeof algorithm === 'string' && !SECRET.has(algorithm)

/** Issuers that sign the tokens of many customers: only the audience tells these customers apart. */
const SHARED_ISSUERS =
  /^(?:https?:\/\/)?(?:(?:accounts|cloud)\.google\.com|appleid\.apple\.com|token\.actions\.githubusercontent\.com)(?![\w.-])/i

/**
 * Checks keys of an issuer against each other, and admins against issuers. It works on the raw data, so that
 * its problems are reported together with those of the schema.
 */
export function reportIssuerProblems(data: RawMapping, report: Report): void {
  const issuers = asList(data['issuers']).map(asMapping)
  const names: string[] = []
  for (const [at, issuer] of issuers.entries()) {
    const path = ['issuers', at]
    const own = concreteIssuers(issuer).map((one) => one.issuer)
    if (own.some((name) => names.includes(name))) {
      report([...path, 'issuer'], 'is there twice; write each issuer once')
    }
    names.push(...own)
    reportIssuerName(issuer, path, report)
    reportKeySource(issuer, path, report)
    reportAudience(issuer, path, report)
    reportAlgorithms(issuer, path, report)
    const header = asText(issuer['token_header'])?.toLowerCase()
    if (header !== undefined && header === asText(data['client_ip_header'])?.toLowerCase()) {
      report([...path, 'token_header'], 'is the client_ip_header; one header cannot be both')
    }
  }
  reportAdmins(data, names, report)
}

function reportKeySource(issuer: RawMapping, path: Path, report: Report): void {
  const { jwks, jwks_uri: address, algorithms, logout } = issuer
  if (jwks === undefined) return
  const jwksPath = [...path, 'jwks']
  if (address !== undefined) {
    report(jwksPath, 'stands beside jwks_uri; the key set comes from one place, so keep one')
  }
  // The schema reports the form.
  if (!inlineKeySet.safeParse(jwks).success) return
  const lists = [algorithms, asMapping(logout)['algorithms']]
  const problems = lists.flatMap((list) => {
    const ofKeys = asList(list).filter(isPublic)
    return (ofKeys.length > 0 ? keySetProblem(jwks, ofKeys) : undefined) ?? []
  })
  if (problems[0] !== undefined) report(jwksPath, problems[0])
}

function reportAudience(issuer: RawMapping, path: Path, report: Report): void {
  const { audience, audience_claim: claim, audience_when_absent: absent } = issuer
  if (claim !== 'none') {
    if (audience === undefined) {
      report([...path, 'audience'], 'is missing; say which audience the tokens of your app carry')
    }
    return
  }
  if (audience !== undefined) {
    report([...path, 'audience'], 'has no effect with audience_claim: none; remove one of the two')
  }
  if (absent === 'accept') {
    report([...path, 'audience_when_absent'], 'has no effect with audience_claim: none; remove it')
  }
  const name = asText(issuer['issuer']) ?? ''
  if (SHARED_ISSUERS.test(name) || name.includes('{tenantid}')) {
    report(
      [...path, 'audience_claim'],
      'must not be none here: this issuer signs tokens for the apps of many customers',
    )
  }
}

/**
 * HS* needs the secret, every other algorithm the key set. Mixing them allows the confusion attack of RFC 8725 §2.1.
 */
function reportAlgorithms(issuer: RawMapping, path: Path, report: Report): void {
  const shared = issuer['secret_env'] !== undefined
  const published = !shared || issuer['jwks_uri'] !== undefined || issuer['jwks'] !== undefined
  const lists: [unknown, Path][] = [
    [issuer['algorithms'], [...path, 'algorithms']],
    [asMapping(issuer['logout'])['algorithms'], [...path, 'logout', 'algorithms']],
  ]
  for (const [list, listPath] of lists) {
    for (const [at, algorithm] of asList(list).entries()) {
      if (!published && isPublic(algorithm)) {
        report(
          [...listPath, at],
          'needs a public key; with secret_env alone use HS256, HS384 or HS512, or add jwks_uri',
        )
      }
      if (!shared && SECRET.has(algorithm)) {
        report([...listPath, at], 'needs secret_env; for public keys use RS256, ES256, … instead')
      }
    }
  }
}

function reportAdmins(data: RawMapping, names: readonly string[], report: Report): void {
  if (data['admins'] === undefined) return
  const chosen = asMapping(data['admins'])['issuers']
  const path = ['admins', 'issuers']
  if (chosen === undefined && names.length > 1) {
    report(path, 'is missing; with several issuers, say which of them can have admins')
  }
  for (const [at, issuer] of asList(chosen).entries()) {
    if (typeof issuer === 'string' && !names.includes(issuer)) {
      const tenant = issuer.includes('{tenantid}') ? '; name the tenant in it' : ''
      report(
        [...path, at],
        `is not one of the configured issuers; it must equal one exactly${tenant}`,
      )
    }
  }
}
