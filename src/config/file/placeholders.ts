// Finds placeholders of the shipped config files that have not been replaced.

import { asList, asMapping, asText, type Path, type RawMapping, type Report } from './problems.ts'

/** Ids of workflows in the shipped files. */
const WORKFLOW = /^wf_replace_me/
/** The host of the shipped files, and hosts below it. */
const HOST = /^https?:\/\/(?:[^/:]+\.)?acme\.example(?:[/:]|$)/i

/** Whether a text is an issuer, audience or workflow id of the shipped files. */
export function isPlaceholder(text: string): boolean {
  return WORKFLOW.test(text) || HOST.test(text)
}

/**
 * With such a placeholder no token is accepted or no session is made. Origins are left to {@link
 * placeholderOrigins}, because a wrong one does not stop the service.
 *
 * @param data - the whole file
 * @param report - called for each placeholder
 */
export function reportPlaceholders(data: RawMapping, report: Report): void {
  const reportHost = (value: unknown, path: Path) => {
    if (!HOST.test(asText(value) ?? '')) return
    report(path, 'is the placeholder acme.example; put your own in its place')
  }
  for (const [at, entry] of asList(data['issuers']).entries()) {
    const { issuer, jwks_uri, audience } = asMapping(entry)
    reportHost(issuer, ['issuers', at, 'issuer'])
    reportHost(jwks_uri, ['issuers', at, 'jwks_uri'])
    for (const [place, one] of asList(audience).entries()) {
      reportHost(one, ['issuers', at, 'audience', place])
    }
  }
  for (const [name, entry] of Object.entries(asMapping(data['workflows']))) {
    const workflow = asMapping(entry)
    for (const key of ['server', 'upload_url', 'base_url']) {
      reportHost(workflow[key], ['workflows', name, key])
    }
    if (!WORKFLOW.test(asText(workflow['id']) ?? '')) continue
    const advice = 'put the id of your workflow in its place, or take the workflow out'
    report(['workflows', name, 'id'], `is the placeholder wf_replace_me; ${advice}`)
  }
}

/** One line for each origin of the shipped files, for `check-config` and the log of a start. */
export function placeholderOrigins(origins: readonly string[]): string[] {
  const left = origins.filter((origin) => HOST.test(origin))
  const until = left.length === origins.length ? '; no page of yours can call until then' : ''
  return left.map(
    (origin) =>
      `cors.origins: ${origin} is a placeholder; put your app's origin in its place${until}`,
  )
}
