// Checks issuers against each other, their keys against their algorithms, and admins against issuers.

import { asList, asMapping, asText, type Path, type RawMapping, type Report } from './problems.ts'
import { SECRET_ALGORITHMS } from './schema-issuer.ts'

const SECRET: ReadonlySet<unknown> = new Set(SECRET_ALGORITHMS)
const KEY_SOURCES = ['jwks_uri', 'jwks', 'secret_env'] as const

/**
 * What concerns several keys of the issuers, or an issuer and the admins. Looks at the data as it
 * stands, so that it finds its problems next to the schema's.
 *
 * @param data - the whole file
 * @param report - called for each problem
 */
export function reportIssuerProblems(data: RawMapping, report: Report): void {
  const issuers = asList(data['issuers']).map(asMapping)
  const names = issuers.map((issuer) => asText(issuer['issuer']))
  for (const [at, issuer] of issuers.entries()) {
    const path = ['issuers', at]
    const name = names[at]
    if (name !== undefined && names.indexOf(name) < at) {
      report([...path, 'issuer'], 'is there twice; write each issuer once')
    }
    reportKeySource(issuer, path, report)
    reportAlgorithms(issuer, path, report)
  }
  reportAdmins(data, names, report)
}

function reportKeySource(issuer: RawMapping, path: Path, report: Report): void {
  const sources = KEY_SOURCES.filter((source) => issuer[source] !== undefined)
  for (const extra of sources.slice(1)) {
    report([...path, extra], `stands beside ${sources[0]}; keys come from one place, so keep one`)
  }
}

/** A shared secret and public keys never mix: that is the algorithm confusion of RFC 8725 §2.1. */
function reportAlgorithms(issuer: RawMapping, path: Path, report: Report): void {
  const shared = issuer['secret_env'] !== undefined
  const lists: [unknown, Path][] = [
    [issuer['algorithms'], [...path, 'algorithms']],
    [asMapping(issuer['logout'])['algorithms'], [...path, 'logout', 'algorithms']],
  ]
  for (const [list, listPath] of lists) {
    for (const [at, algorithm] of asList(list).entries()) {
      if (shared && typeof algorithm === 'string' && !SECRET.has(algorithm)) {
        report([...listPath, at], 'needs a public key; with secret_env use HS256, HS384 or HS512')
      }
      if (!shared && SECRET.has(algorithm)) {
        report([...listPath, at], 'needs secret_env; for public keys use RS256, ES256, … instead')
      }
    }
  }
}

function reportAdmins(
  data: RawMapping,
  names: readonly (string | undefined)[],
  report: Report,
): void {
  if (data['admins'] === undefined) return
  const chosen = asMapping(data['admins'])['issuers']
  const path = ['admins', 'issuers']
  if (chosen === undefined && names.length > 1) {
    report(path, 'is missing; with several issuers, say which of them can have admins')
  }
  for (const [at, issuer] of asList(chosen).entries()) {
    if (typeof issuer === 'string' && !names.includes(issuer)) {
      report([...path, at], 'is not one of the configured issuers; it must equal one exactly')
    }
  }
}
