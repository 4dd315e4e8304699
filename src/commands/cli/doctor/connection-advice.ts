// Advice to operators about an address that the doctor cannot reach, directly or through a proxy.

import type { ProxyFor } from '../../../lib/connections.ts'
import { systemCode } from '../../../lib/errors.ts'
import { reasonOf } from '../../../lib/show.ts'

/** An address that was called. */
export interface CalledAddress {
  readonly url: string
  /** The variable or key of the config that holds the address. */
  readonly setting: string
  /** HTTP status of the answer; undefined when none came. */
  readonly status?: number | undefined
  readonly proxyFor: ProxyFor
}

/** Codes of OpenSSL and Node for a certificate of an unknown authority. */
const UNKNOWN_AUTHORITY = [
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
]

/** Advice to an operator when something cannot be reached. */
export function adviceOnConnection(error: unknown, target: CalledAddress): string {
  const { url, setting, status } = target
  if (status !== undefined) {
    return `${url} is there and fails by itself: look at its status page or log, and try again later`
  }
  const proxy = URL.canParse(url) ? target.proxyFor(new URL(url))?.origin : undefined
  const code = systemCode(error)
  if (code !== undefined && UNKNOWN_AUTHORITY.includes(code)) {
    return `its certificate is of an authority that Node does not know${proxy ? `, perhaps of the proxy ${proxy}, when it opens TLS` : ''}: name the authority's file in NODE_EXTRA_CA_CERTS, in the environment of the process`
  }
  if (proxy !== undefined) return adviceOnProxy(error, { url, proxy })
  switch (code) {
    case 'ECONNREFUSED':
      return `nothing listens there: check ${setting} (${url}), and that it runs`
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `the name is not known: check ${setting} (${url}) and the DNS of this machine; where calls leave through a proxy alone, set HTTPS_PROXY`
    case 'CERT_HAS_EXPIRED':
    case 'CERT_NOT_YET_VALID':
      return `compare the dates of the certificate at ${url} with the clock of this machine, and renew it or set the clock`
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
      return `the certificate there is for other names: check the host in ${setting} (${url}), or have the certificate made for it`
    default:
      return `check ${setting} (${url}), and firewalls, proxies and certificates on the way${code === undefined ? '' : ` (${code})`}`
  }
}

/** undici has no error codes for refusals of a proxy; its messages contain the status. */
const REFUSED = /Proxy (?:response|Authentication Required) \((\d{3})\)/

function adviceOnProxy(error: unknown, { url, proxy }: { url: string; proxy: string }): string {
  const { host, protocol } = new URL(url)
  const setting = protocol === 'https:' ? 'HTTPS_PROXY' : 'HTTP_PROXY'
  const [, status] = REFUSED.exec(reasonOf(error)) ?? []
  if (status === '407') {
    return `the proxy ${proxy} asks for user and password: put them into ${setting}, percent-encoded`
  }
  const around = `have ${host} allowed there, or name it in NO_PROXY if it can be reached directly`
  if (status !== undefined) return `the proxy ${proxy} answered ${status}: ${around}`
  switch (systemCode(error)) {
    case 'ECONNREFUSED':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
    case 'UND_ERR_CONNECT_TIMEOUT':
      return `the proxy ${proxy} cannot be reached: check ${setting}, or name ${host} in NO_PROXY if it can be reached directly`
    default:
      return `it goes through the proxy ${proxy}: ${around}`
  }
}
