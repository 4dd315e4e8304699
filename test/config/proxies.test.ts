import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { readCliEnvironment } from '../../src/config/cli-environment.ts'
import { readEnvironment, type Variables } from '../../src/config/env.ts'
import { readByProxies } from '../../src/config/environment-notes.ts'
import { loadConfig } from '../../src/config/file/load-config.ts'
import { problemsIn } from './fixtures.ts'

const PROXY = 'http://proxy.example.com:3128'

/** The proxy that a call takes, or `direct`. */
function way(url: string, variables: Variables): string {
  const { proxyFor } = readEnvironment(variables).proxies
  return proxyFor(new URL(url))?.origin ?? 'direct'
}

test('HTTPS_PROXY counts for https alone, HTTP_PROXY for http alone', () => {
  const both = { HTTPS_PROXY: 'https://secure.example:8443/', HTTP_PROXY: PROXY }
  expect(way('https://api.openai.com', both)).toBe('https://secure.example:8443')
  expect(way('http://helpdesk.internal:8000', both)).toBe(PROXY)
  expect(way('http://helpdesk.internal', { HTTPS_PROXY: PROXY })).toBe('direct')
  expect(way('https://api.openai.com', { HTTP_PROXY: PROXY })).toBe('direct')
  expect(way('https://api.openai.com', {})).toBe('direct')
})

test('the names in lower case count, too, and take precedence', () => {
  const lower = { https_proxy: PROXY, http_proxy: PROXY, no_proxy: 'a.example' }
  expect(way('https://api.openai.com', lower)).toBe(PROXY)
  expect(way('http://b.example', lower)).toBe(PROXY)
  expect(way('https://a.example', lower)).toBe('direct')
  const capitals = { HTTPS_PROXY: 'http://other.example', NO_PROXY: '*' }
  expect(way('https://api.openai.com', { ...capitals, ...lower })).toBe(PROXY)
  expect(way('https://api.openai.com', { HTTPS_PROXY: PROXY, https_proxy: ' ' })).toBe(PROXY)
})

test.each([
  'http://localhost:8000',
  'http://localhost.:8000',
  'http://127.0.0.1',
  'https://127.255.0.1:8443',
  'https://[::1]:8443',
  'https://[::ffff:127.0.0.1]',
  'http://0x7f.1',
])('%s is loopback and never takes a proxy', (url) => {
  expect(way(url, { HTTPS_PROXY: PROXY, HTTP_PROXY: PROXY })).toBe('direct')
})

describe('NO_PROXY', () => {
  test.each([
    ['acme.example', 'https://acme.example'],
    ['acme.example', 'https://login.eu.acme.example:8443'],
    ['ACME.Example', 'https://login.acme.example'],
    ['acme.example.', 'https://acme.example'],
    ['acme.example', 'https://acme.example.'],
    ['.acme.example', 'https://acme.example'],
    ['.acme.example', 'https://login.acme.example'],
    ['*.acme.example', 'https://login.acme.example'],
    ['bücher.example', 'https://www.xn--bcher-kva.example'],
    ['keycloak', 'http://keycloak:8080/realms/app'],
    ['*', 'https://api.openai.com'],
    ['other.example, *', 'https://api.openai.com'],
    ['*:8443', 'https://api.openai.com:8443'],
    ['acme.example:8443', 'https://login.acme.example:8443'],
    ['acme.example:443', 'https://acme.example'],
    ['acme.example:80', 'http://acme.example'],
    ['a.example,,b.example', 'https://b.example'],
    ['a.example b.example\tc.example', 'https://c.example'],
    ['10.1.2.3', 'http://10.1.2.3:8000'],
    ['10.1.2.3:8000', 'http://10.1.2.3:8000'],
    ['10.0.0.0/8', 'http://10.1.2.3'],
    ['0.0.0.0/0', 'http://203.0.113.7'],
    ['192.168.7.0/25', 'http://192.168.7.127'],
    ['10.0.0.0/8:8000', 'http://10.1.2.3:8000'],
    ['10.0.0.0/8', 'http://[::ffff:10.1.2.3]'],
    ['fd00::/8', 'http://[fd12:3456::1]:8000'],
    ['fd12::1', 'http://[fd12::1]'],
    ['[fd12::1]', 'http://[fd12:0::1]'],
    ['[fd12::1]:8000', 'http://[fd12::1]:8000'],
    ['[fd00::/8]:8000', 'http://[fd12::1]:8000'],
    ['[fd00::]/8', 'http://[fd12::1]'],
    ['::/0', 'http://[2001:db8::1]'],
    ['::ffff:10.0.0.0/104', 'http://10.1.2.3'],
  ])('with %s, %s is called directly', (named, url) => {
    expect(way(url, { HTTPS_PROXY: PROXY, HTTP_PROXY: PROXY, NO_PROXY: named })).toBe('direct')
  })

  test.each([
    ['acme.example', 'https://notacme.example'],
    ['acme.example', 'https://acme.example.evil.test'],
    ['login.acme.example', 'https://acme.example'],
    ['*.acme.example', 'https://acme.example'],
    ['acme.example:8443', 'https://acme.example'],
    ['acme.example:443', 'http://acme.example'],
    ['*:8443', 'https://api.openai.com'],
    ['10.1.2.3', 'http://10.1.2.30'],
    ['10.1.2.3:8000', 'http://10.1.2.3'],
    ['2.3', 'http://10.1.2.3'],
    ['10.0.0.0/8', 'http://11.1.2.3'],
    ['192.168.7.0/25', 'http://192.168.7.128'],
    ['10.0.0.0/33', 'http://10.0.0.0'],
    ['10.0.0.0/', 'http://10.0.0.0'],
    ['10.0.0.0/8x', 'http://10.0.0.0'],
    ['::/0', 'http://203.0.113.7'],
    ['fd00::/8', 'http://[fe80::1]'],
    ['[fd12::1]:8000', 'http://[fd12::1]'],
    ['10.0.0.0/8', 'http://ten.internal'],
    ['https://acme.example', 'https://acme.example'],
    ['.', 'https://api.openai.com'],
    ['[', 'https://api.openai.com'],
    [':443', 'https://api.openai.com'],
  ])('with %s, %s is called through the proxy', (named, url) => {
    expect(way(url, { HTTPS_PROXY: PROXY, HTTP_PROXY: PROXY, NO_PROXY: named })).toBe(PROXY)
  })
})

describe('a value of HTTPS_PROXY or HTTP_PROXY', () => {
  test.each([
    'proxy.example.com:3128',
    'proxy.example.com',
    'socks5://planted:planted@proxy.example.com:1080',
    'http://',
    'http://planted:planted/1@proxy.example.com:3128',
    'http://planted:%zz@proxy.example.com:3128',
    'http://proxy.example.com:99999',
    'planted',
  ])('%s is refused, and stands in no message', (value) => {
    for (const name of ['HTTPS_PROXY', 'HTTP_PROXY', 'https_proxy', 'http_proxy']) {
      for (const read of [readEnvironment, readCliEnvironment]) {
        const problems = problemsIn(() => read({ [name]: value }))
        expect(problems).toEqual([
          expect.stringMatching(new RegExp(`^${name}: must be an http or https URL such as`)),
        ])
        expect(problems.join()).not.toContain('planted')
      }
    }
  })

  test('user and password go to the proxy alone, percent-decoded, and are never printed', () => {
    const value = 'http://acme%5Cmint:planted%40%C3%BC@proxy.example.com:3128'
    const environment = readEnvironment({ HTTPS_PROXY: value, NO_PROXY: 'acme.example' })
    const proxy = environment.proxies.proxyFor(new URL('https://api.openai.com'))
    expect(proxy?.origin).toBe(PROXY)
    const [scheme, pair = ''] = proxy?.authorization?.reveal().split(' ') ?? []
    expect(scheme).toBe('Basic')
    expect(Buffer.from(pair, 'base64').toString()).toBe('acme\\mint:planted@ü')
    const shown = [environment, proxy].map((value) => inspect(value) + JSON.stringify(value)).join()
    expect(shown).not.toMatch(/planted|bWlud/)
    expect(environment.proxies.shown).toEqual({ https: PROXY, no_proxy: 'acme.example' })
  })

  test.each([
    ['', undefined],
    ['acme@', 'acme:'],
    [':planted@', ':planted'],
  ])('with "%s" before its host, the proxy gets %s', (credentials, sent) => {
    const { proxies } = readEnvironment({ HTTPS_PROXY: PROXY.replace('//', `//${credentials}`) })
    const header = proxies.proxyFor(new URL('https://api.openai.com'))?.authorization?.reveal()
    expect(header).toBe(sent && `Basic ${Buffer.from(sent).toString('base64')}`)
  })
})

test('each plain-http address of a server behind a proxy is reported in one line', () => {
  const { settings } = loadConfig(
    `
issuers: [{ issuer: 'https://login.test', audience: [chat], algorithms: [RS256] }]
user: claims.sub
workflows:
  near: { server: 'http://near.internal:8000/chatkit' }
  local: { server: 'http://127.0.0.1:8000/chatkit' }
  far: { server: 'http://far.test/chatkit', upload_url: 'http://files.far.test/upload' }
  same: { server: 'http://same.test/chatkit', upload_url: 'http://same.test/chatkit' }
  safe: { server: 'https://safe.test/chatkit' }
  hosted: { id: wf_1 }
`,
    { file: 'test.yaml' },
  )
  const lines = (variables: Variables) => readByProxies(readEnvironment(variables), settings)
  const proxies = { HTTP_PROXY: PROXY, HTTPS_PROXY: PROXY, NO_PROXY: '.internal' }
  expect(lines(proxies).map((line) => /goes to (\S+),/.exec(line)?.[1])).toEqual([
    'http://far.test/chatkit',
    'http://files.far.test/upload',
    'http://same.test/chatkit',
  ])
  expect(lines(proxies)[0]).toContain(`workflow far: ${PROXY} can read`)
  expect(lines({ HTTPS_PROXY: PROXY })).toEqual([])
})
