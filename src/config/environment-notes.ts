// Says what is probably a mistake in the environment, though the service can start with it.

import { getCACertificates } from 'node:tls'
import { isSecureUrl } from '../lib/loopback.ts'
import type { Environment } from './env.ts'
import { isPlaceholder } from './file/placeholders.ts'
import type { Settings } from './settings.ts'
import { isAtLoopback } from './urls.ts'

/** One line for each, for the log of a start. */
export function environmentNotes(environment: Environment): string[] {
  const notes = [...publicUrlNotes(environment), ...authorityNotes(environment)]
  if (!isPlaceholder(environment.publicUrl ?? '')) return notes
  return [
    'PUBLIC_URL: is the placeholder acme.example; put the address of this service in its place',
    ...notes,
  ]
}

/** Lines about a PUBLIC_URL that others can listen to, or whose port at loopback is not the one of this process. */
function publicUrlNotes({ publicUrl: url, port }: Environment): string[] {
  if (url === undefined) return []
  if (!isSecureUrl(new URL(url))) {
    return [
      'PUBLIC_URL is plain http: tokens and client secrets can be read on the way; write https://, with a proxy that ends TLS',
    ]
  }
  if (port === 0 || !isAtLoopback(url)) return []
  const { port: named, protocol } = new URL(url)
  const leadsTo = named || (protocol === 'https:' ? '443' : '80')
  if (leadsTo === String(port)) return []
  return [
    `PUBLIC_URL names port ${leadsTo}, this process listens on ${port}; set PORT or PUBLIC_URL, unless a proxy passes ${leadsTo} on to it`,
  ]
}

/** A line about certificate authorities that Node could not read: it only prints a warning, and starts without. */
export function authorityNotes({
  extraAuthorities: file,
}: Pick<Environment, 'extraAuthorities'>): string[] {
  if (file === undefined || getCACertificates('extra').length > 0) return []
  return [`NODE_EXTRA_CA_CERTS: no certificate could be read from ${file}; none of it counts`]
}

/**
 * One line for each plain-http address of a server that is called through a proxy, for the start's log and the doctor.
 */
export function readByProxies(
  { proxies }: Pick<Environment, 'proxies'>,
  { workflows }: Pick<Settings, 'workflows'>,
): string[] {
  return workflows.flatMap((workflow) => {
    if (workflow.kind === 'hosted') return []
    const { name, server, uploadUrl = server } = workflow
    const plain = [...new Set([server, uploadUrl])].filter((url) => url.startsWith('http:'))
    return plain.flatMap((url) => {
      const proxy = proxies.proxyFor(new URL(url))
      return proxy === undefined
        ? []
        : `workflow ${name}: ${proxy.origin} can read what goes to ${url}, tokens and chats included; name its host in NO_PROXY, or use https`
    })
  })
}
