import { describe, expect, test } from 'vitest'
import { addressKey, createClientAddress } from '../../src/http/client-address.ts'
import type { AppContext } from '../../src/http/context.ts'

/** The parts of a request that decide its address. */
function contextOf(peer: string | undefined, headers: Record<string, string> = {}): AppContext {
  const lower = new Map(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
  const incoming = { socket: { remoteAddress: peer } }
  const req = { header: (name: string) => lower.get(name.toLowerCase()) }
  return { env: { incoming }, req } as unknown as AppContext
}

const trusted = ['10.0.0.0/8', '172.16.0.1', 'fd00::/8']
const through = (peer: string | undefined, forwarded?: string, proxies = trusted) =>
  createClientAddress({ trustedProxies: proxies, clientIpHeader: undefined })(
    contextOf(peer, forwarded === undefined ? {} : { 'X-Forwarded-For': forwarded }),
  )

describe('the address of a client', () => {
  test.each<[string, string | undefined, string | undefined, string]>([
    ['the peer', '192.0.2.1', undefined, '192.0.2.1'],
    [
      'a peer that is not trusted cannot speak for others',
      '192.0.2.1',
      '198.51.100.1',
      '192.0.2.1',
    ],
    ['a trusted peer can', '10.1.2.3', '198.51.100.1', '198.51.100.1'],
    ['a single address may be trusted', '172.16.0.1', '198.51.100.1', '198.51.100.1'],
    ['its neighbour is not', '172.16.0.2', '198.51.100.1', '172.16.0.2'],
    ['IPv6 proxies', 'fd00::1', '2001:db8::1', '2001:db8::1'],
    ['an IPv4 peer of a dual-stack socket', '::ffff:10.0.0.1', '198.51.100.1', '198.51.100.1'],
    ['an IPv4 client as IPv6', '10.0.0.1', '::FFFF:198.51.100.1', '198.51.100.1'],
    [
      'from the right: the first that is no proxy',
      '10.0.0.1',
      '6.6.6.6, 198.51.100.1',
      '198.51.100.1',
    ],
    ['through several proxies', '10.0.0.1', '198.51.100.1, 10.0.0.3, 10.0.0.2', '198.51.100.1'],
    ['all of them proxies: the farthest', '10.0.0.1', '10.0.0.3, 10.0.0.2', '10.0.0.3'],
    ['a trusted peer that says nothing', '10.0.0.1', undefined, '10.0.0.1'],
    ['nothing in the header', '10.0.0.1', '', '10.0.0.1'],
    ['nonsense nearest', '10.0.0.1', '198.51.100.1, unknown', '10.0.0.1'],
    ['nonsense behind a proxy', '10.0.0.1', '198.51.100.1, _hidden, 10.0.0.2', '10.0.0.2'],
    ['an address with a port is none', '10.0.0.1', '198.51.100.1:443', '10.0.0.1'],
    ['blanks around', '10.0.0.1', '  198.51.100.1  ', '198.51.100.1'],
    ['a zone', 'fe80::1%eth0', '198.51.100.1', 'fe80::1%eth0'],
    ['no peer (the connection is gone)', undefined, '198.51.100.1', ''],
  ])('%s', (_name, peer, forwarded, expected) => {
    expect(through(peer, forwarded)).toBe(expected)
  })

  test('no proxy is trusted unless named', () => {
    for (const peer of ['127.0.0.1', '::1', '10.0.0.1', '192.168.0.1']) {
      expect(through(peer, '198.51.100.1', [])).toBe(peer)
    }
  })

  test.each<[string, string, Record<string, string>, string]>([
    [
      'counts from a trusted peer',
      '10.0.0.1',
      { 'CF-Connecting-IP': '198.51.100.1' },
      '198.51.100.1',
    ],
    ['not from another', '192.0.2.1', { 'CF-Connecting-IP': '198.51.100.1' }, '192.0.2.1'],
    ['twice is none', '10.0.0.1', { 'CF-Connecting-IP': '198.51.100.1, 6.6.6.6' }, '10.0.0.1'],
    ['nonsense is none', '10.0.0.1', { 'CF-Connecting-IP': 'localhost' }, '10.0.0.1'],
    [
      'absent: the peer, not X-Forwarded-For',
      '10.0.0.1',
      { 'X-Forwarded-For': '6.6.6.6' },
      '10.0.0.1',
    ],
  ])('a header of the operator’s choice: %s', (_name, peer, headers, expected) => {
    const options = { trustedProxies: trusted, clientIpHeader: 'cf-connecting-ip' }
    expect(createClientAddress(options)(contextOf(peer, headers))).toBe(expected)
  })

  test('X-Forwarded-For as the operator’s header is still read from the right', () => {
    const options = { trustedProxies: trusted, clientIpHeader: 'x-forwarded-for' }
    const context = contextOf('10.0.0.1', { 'X-Forwarded-For': '6.6.6.6, 198.51.100.1' })
    expect(createClientAddress(options)(context)).toBe('198.51.100.1')
  })
})

describe('addressKey', () => {
  test.each([
    ['198.51.100.1', '198.51.100.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:0db8:0001:0002::', '2001:db8:1:2::/64'],
    ['2001:DB8:1:2::ffff', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['2001:db8::2:0:0:0:1', '2001:db8:0:2::/64'],
    ['::1', '0:0:0:0::/64'],
    ['::', '0:0:0:0::/64'],
    ['1::', '1:0:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['64:ff9b::198.51.100.1', '64:ff9b:0:0::/64'],
    ['1:2:3:4:5:6:198.51.100.1', '1:2:3:4::/64'],
    ['', ''],
    ['unknown', 'unknown'],
  ])('counts failures of %j under %j', (address, key) => {
    expect(addressKey(address)).toBe(key)
  })
})
