// Judges the addresses of files that a self-hosted server names: those under its own origins, those that a page
// may open directly, and those that nobody may open.

import { isLoopback } from '../../lib/loopback.ts'
import type { FileField } from './file-fields.ts'

/** Longest address that is passed on: a link made of it must fit into a request line. */
export const MAX_URL_CHARACTERS = 2048

/** A `data:` URL of a picture. SVG and other XML are excluded: they can hold scripts. */
const PICTURE_DATA = /^data:image\/(?!svg|[\w.+-]*xml)[\w.+-]+[;,]/i

/** The host of an address, perhaps with user and port; URL parsers drop white space and control characters. */
const HOST = /^(?:[a-z][a-z\d+.-]*:[\\/]*|[\\/]{2,})([^\\/?#]*)/i
/** Longest host that is not plain ASCII: it is normalised, which takes a millisecond for 2,000 characters. */
const MAX_HOST_CHARACTERS = 64

/** Addresses of a self-hosted workflow's server. */
interface ServerUrls {
  readonly server: string
  readonly uploadUrl: string | undefined
}

/** A path with its query, under the origin of `server` or of `uploadUrl`. */
export interface FileTarget {
  readonly at: 'server' | 'upload'
  readonly to: string
}

/**
 * Decides whether an address may stay in an answer.
 *
 * @returns the target, for an address under the server's origins; for another, whether it stays or goes
 */
export function judgeAddress(
  { url, use }: Pick<FileField, 'url' | 'use'>,
  urls: ServerUrls,
): FileTarget | 'pass' | 'remove' {
  if (PICTURE_DATA.test(url)) return use === 'show' ? 'pass' : 'remove'
  if (url.length > MAX_URL_CHARACTERS || hasLongHost(url)) return 'remove'
  if (use === 'cite') return isCitable(url) ? 'pass' : 'remove'
  const parsed = URL.parse(url, urls.server)
  if (parsed === null) return 'remove'
  const { protocol, hostname, origin, pathname, search } = parsed
  const at = parsedOf(urls).origins.find((one) => one.origin === origin)?.at
  if (at !== undefined) {
    return isEndpoint(parsed, urls) ? 'remove' : { at, to: pathname + search }
  }
  return protocol === 'https:' || (protocol === 'http:' && isLoopback(hostname)) ? 'pass' : 'remove'
}

function hasLongHost(url: string): boolean {
  if (isPlain(url)) return false
  const host = HOST.exec(url.replace(/[\p{Cc}\s]/gu, ''))?.[1] ?? ''
  return host.length > MAX_HOST_CHARACTERS && !isPlain(host)
}

function isPlain(text: string): boolean {
  return /^[^%\P{ASCII}]*$/u.test(text)
}

/** Whether a domain, or one above it, is that of the server or of its uploads. */
export function isOwnDomain(domain: string, urls: ServerUrls): boolean {
  const name = domain.toLowerCase()
  return parsedOf(urls).origins.some(({ origin }) => {
    const { host, hostname } = new URL(origin)
    return name === host || `.${hostname}`.endsWith(`.${name}`)
  })
}

/** Whether the gateway makes a link of an address in an answer. */
export function isLinked(field: FileField, urls: ServerUrls): boolean {
  return typeof judgeAddress(field, urls) === 'object'
}

/** A person may open a cited source like any web page, but not a `javascript:` or similar URL. */
function isCitable(url: string): boolean {
  return !URL.canParse(url) || ['https:', 'http:', 'mailto:'].includes(new URL(url).protocol)
}

/** Parsed once, because parsing all of a server's URLs costs more than all else that an address needs. */
const parsedUrls = new WeakMap<ServerUrls, ReturnType<typeof parseUrls>>()

function parsedOf(urls: ServerUrls) {
  const known = parsedUrls.get(urls) ?? parseUrls(urls)
  parsedUrls.set(urls, known)
  return known
}

/** `server` comes first, so it wins if `upload_url` has the same origin. */
function parseUrls({ server, uploadUrl }: ServerUrls) {
  const { origin, pathname } = new URL(server)
  const origins: { readonly at: FileTarget['at']; readonly origin: string }[] = [
    { at: 'server', origin },
  ]
  if (uploadUrl !== undefined) origins.push({ at: 'upload', origin: new URL(uploadUrl).origin })
  return { origins, origin, path: plainPath(pathname) }
}

/** Whether it is the server's own endpoint: a request there would bypass the gateway's checks of the protocol. */
function isEndpoint({ origin, pathname }: URL, urls: ServerUrls): boolean {
  const server = parsedOf(urls)
  return origin === server.origin && plainPath(pathname) === server.path
}

/**
 * @returns the URL of a target; undefined for one that is not under the workflow's origins, and for the
 * server's own endpoint
 */
export function addressOf(
  { at, to }: { readonly at: unknown; readonly to: unknown },
  urls: ServerUrls,
): string | undefined {
  const origin = parsedOf(urls).origins.find((one) => one.at === at)?.origin
  // The path is appended, never resolved: resolved, one that begins with two slashes would lead elsewhere.
  if (origin === undefined || typeof to !== 'string' || !to.startsWith('/')) return undefined
  return isEndpoint(new URL(origin + to), urls) ? undefined : origin + to
}

/**
 * Removes every address that a page cannot open directly: those under the server's origins, which need a link
 * through the gateway, and those that nobody may open.
 *
 * @param fields - of one answer, which is changed
 */
export function removeAddresses(fields: readonly FileField[], urls: ServerUrls): void {
  for (const field of fields) {
    if (judgeAddress(field, urls) !== 'pass') delete field.holder[field.key]
  }
}

/**
 * A path as the most lenient server would read it: decoded, and again by a proxy before it; without parameters
 * (`;v=1`, RFC 3986 §3.3), dot segments, and space or NUL at its end.
 */
function plainPath(pathname: string): string {
  const plain = decoded(decoded(pathname))
    .replace(/[?#].*$/s, '')
    .replaceAll(/;[^\\/]*/g, '')
    .replaceAll(/[\\/]+/g, '/')
    .toLowerCase()
  const path = plain.includes('/.') ? decoded(new URL(`http://host${plain}`).pathname) : plain
  return path.replace(/[\s\0/]+$/, '')
}

/** A path that is not UTF-8 stays as it is. */
function decoded(path: string): string {
  try {
    return decodeURIComponent(path)
  } catch {
    return path
  }
}
