// Finds placeholders of the shipped config files, and variables, in the place of values.

import type { IssuerSettings } from '../settings.ts'
import { UNFILLED } from '../urls.ts'
import { asList, asMapping, asText, type Path, type RawMapping, type Report } from './problems.ts'

/** Ids of workflows in the shipped files. */
const WORKFLOW = /^wf_replace_me/
/** The host of the shipped files, and hosts below it. */
const HOST = /^https?:\/\/(?:[^/:]+\.)?acme\.example(?:[/:]|$)/i

/** Issuers of the examples that are not below that host: names that a provider gives to its customers. */
const EXAMPLE_ISSUER =
  /^https:\/\/(?:acme\.(?:okta|eu\.auth0|cloudflareaccess)\.com|abcdefghijklmnopqrst\.supabase\.co)(?:\/|$)|securetoken\.google\.com\/acme-app$|_AbCdEfGhI$|11111111-2222-3333-4444-555555555555/

/** Whether a text is an issuer, audience or workflow id of the shipped files. */
export function isPlaceholder(text: string): boolean {
  return WORKFLOW.test(text) || HOST.test(text)
}

/** Keys below which texts are expressions, or can be any text. */
const FREE_TEXT = new Set(['user', 'when', 'state_variables', 'cookie'])

/** The file is read as it is, so a variable in it would be a part of the audience or address. */
export function reportUnfilled(value: unknown, report: Report, path: Path = []): void {
  if (typeof value === 'string' && UNFILLED.test(value)) {
    report(path, 'has a variable, and nothing fills in this file; write the value itself')
  }
  if (typeof value !== 'object' || value === null) return
  for (const [key, part] of Object.entries(value)) {
    if (FREE_TEXT.has(key)) continue
    reportUnfilled(part, report, [...path, Array.isArray(value) ? Number(key) : key])
  }
}

/**
 * With such a placeholder no token is accepted or no session is made. Values that do not stop the service are left
 * to {@link placeholderNotes}.
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

/** One line for each value of the shipped files with which the service starts. */
export function placeholderNotes(
  issuers: readonly Pick<IssuerSettings, 'issuer'>[],
  origins: readonly string[],
): string[] {
  const left = origins.filter((origin) => HOST.test(origin))
  const until = left.length === origins.length ? '; no page of yours can call until then' : ''
  return [
    ...issuers.flatMap(({ issuer }) => (EXAMPLE_ISSUER.test(issuer) ? [issuerNote(issuer)] : [])),
    ...left.map(
      (origin) =>
        `cors.origins: ${origin} is a placeholder; put your app's origin in its place${until}`,
    ),
  ]
}

function issuerNote(issuer: string): string {
  return `issuers: ${issuer} is the one of the shipped example, and may belong to others; put your own in its place`
}
