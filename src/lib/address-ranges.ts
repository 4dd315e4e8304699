// Tells which IP addresses lie in ranges.

import { BlockList, isIP } from 'node:net'

/**
 * @param ranges - valid addresses and CIDRs
 * @returns whether an address is in one of them; false for a text that is no address. An IPv4 address is also in the
 * IPv6 ranges of `::ffff:0:0/96`, but not in wider ones such as `::/0`.
 */
export function inRanges(ranges: readonly string[]): (address: string) => boolean {
  const list = new BlockList()
  const wide = new BlockList()
  for (const range of ranges) {
    const [address = '', bits] = range.split('/')
    const [family, most] = isIP(address) === 6 ? (['ipv6', 128] as const) : (['ipv4', 32] as const)
    const length = Number(bits ?? most)
    // Node looks an IPv4 address up as IPv6, too.
    const to = family === 'ipv6' && length < 96 ? wide : list
    to.addSubnet(address, length, family)
  }
  return (address) => {
    const version = isIP(address)
    if (version === 4) return list.check(address)
    return version === 6 && (list.check(address, 'ipv6') || wide.check(address, 'ipv6'))
  }
}
