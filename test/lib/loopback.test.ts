import { describe, expect, test } from 'vitest'
import { isLoopback, isSecureUrl, mayBeLoopback } from '../../src/lib/loopback.ts'

const hostOf = (host: string) => new URL(`http://${host}/`).hostname

describe('isLoopback', () => {
  test.each([
    'localhost',
    'LOCALHOST',
    '127.0.0.1',
    '127.255.255.254',
    '[::1]',
    '[0::1]',
    '0x7f.1',
  ])('%s is this machine', (host) => expect(isLoopback(hostOf(host))).toBe(true))

  test.each([
    'localhost.evil.example',
    'evil-localhost',
    '127.0.0.1.evil.example',
    '128.0.0.1',
    '10.0.0.1',
    '0.0.0.0',
    '169.254.169.254',
    '[::]',
    '[::2]',
    '[fe80::1]',
    'login.acme.example',
  ])('%s may be another machine', (host) => expect(isLoopback(hostOf(host))).toBe(false))
})

describe('mayBeLoopback', () => {
  test.each([
    'localhost',
    'localhost.',
    'keys.localhost',
    '127.0.0.1',
    '[::1]',
    '0.0.0.0',
    '0',
    '[::]',
    '[::ffff:127.0.0.1]',
    '[::ffff:127.1.2.3]',
    '[::ffff:0.0.0.0]',
    '[::ffff:0:127.0.0.1]',
    '[::127.0.0.1]',
  ])('%s can lead to this machine', (host) => expect(mayBeLoopback(hostOf(host))).toBe(true))

  test.each([
    'localhost.evil.example',
    'evil-localhost',
    '10.0.0.1',
    '[::2]',
    '[::ffff:10.0.0.1]',
    '[fe80::1]',
    '[64:ff9b::a00:1]',
  ])('%s leads to another machine', (host) => expect(mayBeLoopback(hostOf(host))).toBe(false))
})

describe('isSecureUrl', () => {
  test.each([
    ['https://login.acme.example/', true],
    ['http://127.0.0.1:8080/', true],
    ['http://login.acme.example/', false],
    ['http://169.254.169.254/latest', false],
    ['ftp://localhost/', false],
    ['file:///etc/passwd', false],
  ])('is for %s: %s', (url, secure) => expect(isSecureUrl(new URL(url))).toBe(secure))
})
