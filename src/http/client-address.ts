// Finds the address that failed authentications are counted under.

import { isIP, SocketAddress } from 'node:net'
import { inRanges } from '../lib/address-ranges.ts'
import type { AppContext } from './context.ts'

/** The settings that decide which address a request is counted under. */
export interface ClientAddressOptions {
  /** CIDRs of proxies whose forwarding headers are trusted. */
  readonly trustedProxies: readonly string[]
  /**
   * Header in which a trusted proxy puts the client's address. When absent, `X-Forwarded-For` is read
   * from the right.
   */
  readonly clientIpHeader: string | undefined
}

/**
 * Makes the function that finds the client's address, or the nearest address that can be trusted. Anyone can
 * send forwarding headers, so they count only when the peer is a trusted proxy, and in `X-Forwarded-For` only
 * up to the first address that is not one.
 */
export function createClientAddress({ trustedProxies, clientIpHeader }: ClientAddressOptions) {
  const isTrusted = inRanges(trustedProxies)
  return (c: AppContext): string => {
    const peer = plainAddress(c.env.incoming.socket.remoteAddress ?? '')
    if (!isTrusted(peer)) return peer
    if (clientIpHeader !== undefined && clientIpHeader !== 'x-forwarded-for') {
      const address = plainAddress(c.req.header(clientIpHeader)?.trim() ?? '')
      return isIP(address) === 0 ? peer : address
    }
    const chain = (c.req.header('X-Forwarded-For') ?? '').split(',')
    return lastUntrusted(isTrusted, chain, peer)
  }
}

/**
 * The key under which failures of an address are counted. For IPv6 it is the /64: a subscriber can send
 * from all of it (RFC 6177), so a limit per address would limit nobody.
 *
 * @param address - IPv4, or IPv6 in any spelling
 */
export function addressKey(address: string): string {
  if (isIP(address) !== 6) return address
  const [head = '', tail = ''] = (address.split('%', 1)[0] ?? '').split('::')
  const front = head.split(':').filter(Boolean)
  const back = tail.split(':').filter(Boolean)
  const zeros = Array.from({ length: Math.max(0, 8 - front.length - back.length) }, () => '0')
  const groups = [...front, ...zeros, ...back].slice(0, 4)
  return `${groups.map((group) => Number.parseInt(group, 16).toString(16)).join(':')}::/64`
}

function lastUntrusted(
  isTrusted: (address: string) => boolean,
  chain: readonly string[],
  peer: string,
): string {
  let nearest = peer
  for (const entry of chain.toReversed()) {
    const address = plainAddress(entry.trim())
    if (isIP(address) === 0) return nearest
    nearest = address
    if (!isTrusted(address)) return nearest
  }
  return nearest
}

/**
 * A dual-stack socket shows IPv4 peers as `::ffff:192.0.2.1`, some proxies write them as `::ffff:c000:201`, and some
 * (Azure Application Gateway) forward the client's port too: `192.0.2.1:443`, `[2001:db8::1]:443`.
 */
function plainAddress(address: string): string {
  const bare = /^(?:(\d+\.\d+\.\d+\.\d+):\d{1,5}|\[([^\]]+)\](?::\d{1,5})?)$/.exec(address)
  const plain = bare?.[1] ?? bare?.[2] ?? address
  if (isIP(plain) !== 6) return plain
  // In its one canonical spelling, an IPv4 address inside IPv6 has dots.
  const canonical = new SocketAddress({ address: plain, family: 'ipv6' }).address
  return /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(canonical)?.[1] ?? plain
}
