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

/** A proxy in `trusted`. */
const PROXY = '10.0.0.1'
const CLIENT = '198.51.100.1'

describe('the address of a client', () => {
  test.each<[string, string | undefined, string | undefined, string]>([
    ['the peer', '192.0.2.1', undefined, '192.0.2.1'],
    ['a peer that is not trusted cannot speak for others', '192.0.2.1', CLIENT, '192.0.2.1'],
    ['a trusted peer can', '10.1.2.3', CLIENT, CLIENT],
    ['a single address may be trusted', '172.16.0.1', CLIENT, CLIENT],
    ['its neighbour is not', '172.16.0.2', CLIENT, '172.16.0.2'],
    ['IPv6 proxies', 'fd00::1', '2001:db8::1', '2001:db8::1'],
    ['an IPv4 peer of a dual-stack socket', '::ffff:10.0.0.1', CLIENT, CLIENT],
    ['an IPv4 client as IPv6', PROXY, '::FFFF:198.51.100.1', CLIENT],
    ['an IPv4 client as IPv6 without dots', PROXY, '::ffff:c633:6401', CLIENT],
    ['an IPv4 client as IPv6 in full', PROXY, '[0:0:0:0:0:FFFF:C633:6401]:443', CLIENT],
    ['IPv6 that only looks like IPv4', PROXY, '64:ff9b::c633:6401', '64:ff9b::c633:6401'],
    ['from the right: the first that is no proxy', PROXY, '6.6.6.6, 198.51.100.1', CLIENT],
    ['through several proxies', PROXY, '198.51.100.1, 10.0.0.3, 10.0.0.2', CLIENT],
    ['all of them proxies: the farthest', PROXY, '10.0.0.3, 10.0.0.2', '10.0.0.3'],
    ['a trusted peer that says nothing', PROXY, undefined, PROXY],
    ['nothing in the header', PROXY, '', PROXY],
    ['nonsense nearest', PROXY, '198.51.100.1, unknown', PROXY],
    ['nonsense behind a proxy', PROXY, '198.51.100.1, _hidden, 10.0.0.2', '10.0.0.2'],
    ['with a port (Azure Application Gateway)', PROXY, '198.51.100.1:443', CLIENT],
    ['a port that is none', PROXY, '198.51.100.1:https', PROXY],
    ['IPv6 in brackets', PROXY, '[2001:db8::1]', '2001:db8::1'],
    ['IPv6 in brackets, with a port', PROXY, '[2001:db8::1]:443', '2001:db8::1'],
    ['a proxy with a port', PROXY, '198.51.100.1:443, 10.0.0.2:8080', CLIENT],
    ['brackets around nonsense', PROXY, '[unknown]:443', PROXY],
    ['blanks around', PROXY, '  198.51.100.1  ', CLIENT],
    ['a zone', 'fe80::1%eth0', CLIENT, 'fe80::1%eth0'],
    ['no peer (the connection is gone)', undefined, CLIENT, ''],
  ])('%s', (_name, peer, forwarded, expected) => {
    expect(through(peer, forwarded)).toBe(expected)
  })

  test('no proxy is trusted unless named', () => {
    for (const peer of ['127.0.0.1', '::1', PROXY, '192.168.0.1']) {
      expect(through(peer, CLIENT, [])).toBe(peer)
    }
  })

  test.each<[string, string, Record<string, string>, string]>([
    ['counts from a trusted peer', PROXY, { 'CF-Connecting-IP': CLIENT }, CLIENT],
    ['not from another', '192.0.2.1', { 'CF-Connecting-IP': CLIENT }, '192.0.2.1'],
    ['twice is none', PROXY, { 'CF-Connecting-IP': '198.51.100.1, 6.6.6.6' }, PROXY],
    ['nonsense is none', PROXY, { 'CF-Connecting-IP': 'localhost' }, PROXY],
    ['absent: the peer, not X-Forwarded-For', PROXY, { 'X-Forwarded-For': '6.6.6.6' }, PROXY],
  ])('a header of the operator’s choice: %s', (_name, peer, headers, expected) => {
    const options = { trustedProxies: trusted, clientIpHeader: 'cf-connecting-ip' }
    expect(createClientAddress(options)(contextOf(peer, headers))).toBe(expected)
  })

  test('X-Forwarded-For as the operator’s header is still read from the right', () => {
    const options = { trustedProxies: trusted, clientIpHeader: 'x-forwarded-for' }
    const context = contextOf(PROXY, { 'X-Forwarded-For': '6.6.6.6, 198.51.100.1' })
    expect(createClientAddress(options)(context)).toBe(CLIENT)
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
