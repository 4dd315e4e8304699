// Recognises loopback addresses and secure URLs.

const IPV4_LOOPBACK = /^127(?:\.\d{1,3}){3}$/
const OTHER_LOOPBACK =
  /\.localhost$|^0\.0\.0\.0$|^\[::(?:ffff:(?:0:)?)?(?:7f[\da-f]{2}:[\da-f]{1,4}|0:0)?\]$/

/**
 * Whether a host name of a URL can only mean this machine: `localhost`, `127.0.0.0/8` or `[::1]`.
 *
 * @param hostname - as `URL.hostname` gives it (lower case, IPv6 in brackets)
 */
export function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || IPV4_LOOPBACK.test(hostname)
}

/**
 * Whether a host name of a URL can lead to this machine: loopback, names below `localhost` (RFC 6761 §6.3), the
 * address of no host, to which Linux connects as to loopback, and IPv4 inside IPv6. DNS can lead here by any name.
 *
 * @param hostname - as for {@link isLoopback}
 */
export function mayBeLoopback(hostname: string): boolean {
  const name = hostname.replace(/\.$/, '')
  return isLoopback(name) || OTHER_LOOPBACK.test(name)
}

/**
 * Whether a credential may be sent to a URL, or keys be fetched from it: `https`, or plain `http` to
 * loopback, where no network can read or change it.
 */
export function isSecureUrl(url: URL): boolean {
  return url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url.hostname))
}
