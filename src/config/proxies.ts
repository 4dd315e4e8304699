// Reads the proxies of the environment, and decides which calls take one.

import { isIP } from 'node:net'
import { domainToASCII } from 'node:url'
import { z } from 'zod'
import { inRanges } from '../lib/address-ranges.ts'
import type { OutboundProxy, ProxyFor } from '../lib/connections.ts'
import { isLoopback } from '../lib/loopback.ts'
import { Secret } from '../lib/secret.ts'
import { NOT_IN_HOST, shellHint } from './urls.ts'

/** Variables whose lower-case form also counts, and takes precedence, as in curl. */
const PROXY_VARIABLES = ['HTTPS_PROXY', 'HTTP_PROXY', 'NO_PROXY'] as const

const proxyUrl = z.string().transform((text, context): OutboundProxy => {
  const url = URL.parse(text)
  const authorization = url && authorizationIn(url)
  if (
    url &&
    /^https?:$/.test(url.protocol) &&
    authorization !== null &&
    !NOT_IN_HOST.test(url.host)
  ) {
    return { origin: url.origin, authorization }
  }
  // The message does not quote the value, because it may hold a password.
  context.addIssue(
    `must be an http or https URL such as http://proxy.example.com:3128, with user and password percent-encoded${shellHint(text)}`,
  )
  return z.NEVER
})

/** The environment variables that name proxies. */
export const proxySchema = z.object({
  HTTPS_PROXY: proxyUrl
    .optional()
    .describe(
      'The [proxy](deploy.md#a-proxy-on-the-way-out) for every https call, the command line’s too. Lower case counts, and first. Loopback is always asked directly, and so is Redis.',
    ),
  HTTP_PROXY: proxyUrl.optional().describe('The proxy for every http call.'),
  NO_PROXY: z
    .string()
    .optional()
    .describe(
      'Hosts that are called without a proxy: names with their subdomains, `*.name`, addresses, CIDR, `*`; each may have a port.',
    ),
})

export interface Proxies {
  readonly proxyFor: ProxyFor
  /** The proxies as operators see them: addresses without passwords, and `NO_PROXY`; undefined without a proxy. */
  readonly shown: Readonly<Record<'https' | 'http' | 'no_proxy', string | undefined>> | undefined
}

const NONE: Proxies = { proxyFor: () => undefined, shown: undefined }

/** The variables, with lower-case proxy variables copied to the names in capitals. */
export function withCapitals(set: Readonly<Record<string, string | undefined>>) {
  const lower = PROXY_VARIABLES.flatMap((name) => {
    const value = set[name.toLowerCase()]
    return value === undefined ? [] : [[name, value]]
  })
  return { ...set, ...Object.fromEntries(lower) }
}

/** The name under which a variable was set: in lower case where {@link withCapitals} took that one. */
export function nameAsSet(name: string, set: Readonly<Record<string, string | undefined>>): string {
  const isProxy = PROXY_VARIABLES.some((known) => known === name)
  return isProxy && set[name.toLowerCase()] !== undefined ? name.toLowerCase() : name
}

/**
 * Loopback is never called through a proxy, nor are the hosts that `NO_PROXY` names: names with their
 * subdomains, `*.name` (subdomains alone), addresses, CIDR, `*`; each may have a port. An entry that is none of
 * these matches nothing.
 */
export function readProxies(set: z.output<typeof proxySchema>): Proxies {
  const { HTTPS_PROXY: https, HTTP_PROXY: http, NO_PROXY: named } = set
  if (https === undefined && http === undefined) return NONE
  const exempt = (named ?? '').split(/[\s,]+/).map(readEntry)
  return {
    proxyFor: (url) => {
      const proxy = url.protocol === 'https:' ? https : http
      const host = bare(url.hostname)
      const port = Number(url.port || (url.protocol === 'https:' ? 443 : 80))
      const isThisMachine = isLoopback(host) || inLoopback(host)
      const direct = isThisMachine || exempt.some((matches) => matches(host, port))
      return direct ? undefined : proxy
    },
    shown: { https: https?.origin, http: http?.origin, no_proxy: named },
  }
}

/** Null when user or password is not percent-encoded. */
function authorizationIn({ username, password }: URL): Secret | undefined | null {
  if (username === '' && password === '') return undefined
  try {
    const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
    return new Secret(`Basic ${Buffer.from(pair).toString('base64')}`)
  } catch {
    return null
  }
}

/** A host of a URL without the brackets of IPv6 and without the dot that ends a full name. */
function bare(host: string): string {
  return host.replace(/^\[(.*)\]$/, '$1').replace(/(?<=.)\.$/, '')
}

const inLoopback = inRanges(['127.0.0.0/8', '::1'])

type Matches = (host: string, port: number) => boolean

/** An entry of `NO_PROXY`. An IPv6 address with a port is in brackets. */
const ENTRY = /^(?:\[(?<inside>[^\]]+)\](?<bits>\/\d+)?|(?<plain>[^:]+))(?::(?<port>\d+))?$/

function readEntry(entry: string): Matches {
  const { inside, bits = '', plain, port } = ENTRY.exec(entry)?.groups ?? {}
  const host = inside === undefined ? (plain ?? entry) : inside + bits
  const matches = isIP(host.split('/', 1)[0] ?? '') ? inRange(host) : underName(host)
  return (asked, at) => (port === undefined || Number(port) === at) && matches(asked)
}

function inRange(range: string): (host: string) => boolean {
  const [address = '', bits] = range.split('/')
  const most = isIP(address) === 4 ? 32 : 128
  const isValid = bits === undefined || (/^\d+$/.test(bits) && Number(bits) <= most)
  return inRanges(isValid ? [range] : [])
}

function underName(entry: string): (host: string) => boolean {
  if (entry === '*') return () => true
  const name = domainToASCII(entry.replace(/^\*?\./, '').replace(/\.$/, ''))
  const withSelf = !entry.startsWith('*.')
  return (host) => (withSelf && host === name) || host.endsWith(`.${name}`)
}
