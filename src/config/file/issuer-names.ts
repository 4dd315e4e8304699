// Rules for the name of an issuer: the texts that are allowed, and the issuers for which `{tenantid}` stands.

import { isSecureUrl } from '../../lib/loopback.ts'
import { issuerProblem } from './checked-text.ts'
import { asList, asText, type Path, type RawMapping, type Report } from './problems.ts'

/** Entra ID's own placeholder: its discovery document for several tenants has it in `issuer`. */
const TENANT = '{tenantid}'
/** Path segments of Entra ID for all tenants at once; no token has such an issuer. */
const EVERYBODY = /^(?:common|organizations|consumers)$/i
const ADVICE =
  'stands for the tenants of everybody; write https://login.microsoftonline.com/{tenantid}/v2.0 and list yours in tenants'

/** Whether the keys of an issuer are found by OIDC discovery, which needs its name to be a URL. */
function isDiscovered(issuer: RawMapping): boolean {
  return ['jwks_uri', 'jwks', 'secret_env'].every((source) => issuer[source] === undefined)
}

/**
 * The issuers that an entry stands for, each with its tenant: one without a tenant, or one for each tenant.
 *
 * @param entry - may have problems; the list may then be empty
 */
export function concreteIssuers(
  entry: RawMapping,
): { readonly issuer: string; readonly tenant: string | undefined }[] {
  const name = asText(entry['issuer'])
  if (name === undefined) return []
  if (!name.includes(TENANT)) return [{ issuer: name, tenant: undefined }]
  const tenants = new Set(asList(entry['tenants']).flatMap((tenant) => asText(tenant) ?? []))
  return Array.from(tenants, (tenant) => ({ issuer: inTenant(name, tenant), tenant }))
}

/** The text with `{tenantid}` replaced by the tenant. */
export function inTenant(text: string, tenant: string): string {
  return text.replaceAll(TENANT, tenant)
}

/** Checks the name of one issuer, and whether its addresses are secure. */
export function reportIssuerName(issuer: RawMapping, path: Path, report: Report): void {
  const name = asText(issuer['issuer'])
  if (name === undefined) return
  const problem = nameProblem(name, issuer)
  if (problem !== undefined) report([...path, 'issuer'], problem)
  reportTenants(name, issuer, { path, report })
  const address = asText(issuer['jwks_uri'])
  if (address !== undefined && isInsecure(address, issuer)) {
    report([...path, 'jwks_uri'], INSECURE)
  }
}

const INSECURE =
  'must be https; plain http is only for loopback addresses, or with insecure_http: true in a network of your own'

function nameProblem(name: string, issuer: RawMapping): string | undefined {
  if (name.startsWith('key:')) return 'must not begin with key:, which names the keys of backends'
  const segments = URL.parse(name)?.pathname.split('/') ?? []
  if (/microsoft|windows\.net/i.test(name) && segments.some((one) => EVERYBODY.test(one)))
    return ADVICE
  if (isInsecure(name, issuer)) return INSECURE
  if (isDiscovered(issuer)) {
    const problem = issuerProblem(name)
    if (problem === undefined) return undefined
    const isUrl = /^https?:\/\//i.test(name)
    return isUrl ? problem : `${problem}; an issuer that is no URL needs jwks_uri`
  }
  const url = URL.parse(name)
  return url?.username || url?.password ? issuerProblem(name) : undefined
}

/** Whether the address is plain http beyond loopback, where anybody on the network could change the keys. */
function isInsecure(address: string, issuer: RawMapping): boolean {
  const url = /^http:/i.test(address) ? URL.parse(address) : null
  return url !== null && !isSecureUrl(url) && issuer['insecure_http'] !== true
}

function reportTenants(
  name: string,
  { tenants }: RawMapping,
  { path, report }: { readonly path: Path; readonly report: Report },
): void {
  if (name.includes(TENANT) !== (tenants !== undefined)) {
    if (tenants !== undefined) report([...path, 'tenants'], `needs ${TENANT} in issuer`)
    else report([...path, 'tenants'], `is missing; say whose tokens ${TENANT} stands for`)
  }
  for (const [at, tenant] of asList(tenants).entries()) {
    if (EVERYBODY.test(asText(tenant) ?? '')) report([...path, 'tenants', at], ADVICE)
  }
  const other = /\{tenant_?id\}|<tenant[^>]*>|\{tenant\}/i.exec(name.replaceAll(TENANT, ''))
  if (other) report([...path, 'issuer'], `has ${other[0]} in it; write ${TENANT}`)
}
