import { describe, expect, test } from 'vitest'
import { MINIMAL, problemsOf } from '../fixtures.ts'

const top = (line: string): string => `${MINIMAL}${line}\n`

describe('cors origins', () => {
  const origins = (value: string): string[] => problemsOf(top(`cors: { origins: ['${value}'] }`))

  test.each([
    'https://app.acme.example',
    'https://app.acme.example:8443',
    'http://localhost:3000',
    'http://[::1]:3000',
    'https://xn--mnchen-3ya.example',
    'capacitor://localhost',
    'ionic://localhost',
    'chrome-extension://abcdefghijklmnop',
    'https://app-*.acme.example',
    'https://*-preview.acme.example',
    'https://*.preview.acme.example',
    'https://*.acme.example',
    'https://app-*-team.apps.acme.example:8443',
  ])('%s', (origin) => {
    expect(origins(origin)).toEqual([])
  })

  test.each([
    '*',
    'https://*',
    'https://*.example',
    'null',
    '',
    'app.acme.example',
    'https://app.acme.example/',
    'https://app.acme.example/chat',
    'https://app.acme.example?a',
    'https://app.acme.example#a',
    'https://App.acme.example',
    'HTTPS://app.acme.example',
    'https://app.acme.example:443',
    'http://app.acme.example:80',
    'https://user@app.acme.example',
    'https://münchen.example',
    ' https://app.acme.example',
    'capacitor://localhost/',
    'Capacitor://localhost',
    'file:///x',
    'data:text/html,x',
    'ws://app.acme.example',
    'mailto:a@b',
    'http://app-*.acme.example',
    'capacitor://app-*.acme.example',
    'https://app-*.example',
    'https://app-*.example.',
    'https://app-*',
    'https://app-*:443.acme.example',
    'https://app.*.acme.example',
    'https://app-*.*.acme.example',
    'https://app-**.acme.example',
    'https://app-*-*.acme.example',
    'https://app.acme.example/*',
    'https://app-*.acme.example/',
    'https://App-*.acme.example',
    'https://app-*.acme.example:*',
    'https://app-*.acme.example:443',
    'https://app-*.0.0.1',
    'https://a@b-*.acme.example',
    '*://app.acme.example',
    '*.acme.example',
  ])('refused: %s', (origin) => {
    expect(origins(origin)).toEqual([expect.stringMatching(/^9 cors\.origins\[0\] /)])
  })

  test('says what to write instead', () => {
    expect(origins('https://App.acme.example:443/')[0]).toContain(
      'use https://app.acme.example instead',
    )
  })
})

describe('trusted proxies', () => {
  const proxies = (value: string): string[] => problemsOf(top(`trusted_proxies: ['${value}']`))

  test.each(['10.0.0.0/8', '10.1.2.3/32', '0.0.0.0/0', 'fd00::/8', '::1/128'])('%s', (cidr) => {
    expect(proxies(cidr)).toEqual([])
  })

  test.each([
    '10.0.0.0',
    '10.0.0.0/33',
    '10.0.0.0/-1',
    '10.0.0.0/08',
    '10.0.0/8',
    '::/129',
    'x/8',
    '10.0.0.0/8/8',
    'fe80::1%eth0/64',
    '',
  ])('refused: %s', (cidr) => {
    expect(proxies(cidr)).toEqual([expect.stringMatching(/^9 trusted_proxies\[0\] /)])
  })
})
