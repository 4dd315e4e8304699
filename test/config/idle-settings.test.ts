import { expect, test } from 'vitest'
import { idleSettings } from '../../src/config/idle-settings.ts'
import { MINIMAL, settingsOf } from './fixtures.ts'

const lines = (more: string): string[] => idleSettings(settingsOf(`${MINIMAL}${more}`))

test('client_ip_header without trusted_proxies is pointed out', () => {
  expect(lines('client_ip_header: Fly-Client-IP\n')).toEqual([
    expect.stringMatching(/^client_ip_header: fly-client-ip is never read without trusted_proxies/),
  ])
})

test('with a trusted proxy, or without the header, there is nothing to say', () => {
  expect(lines('client_ip_header: fly-client-ip\ntrusted_proxies: [172.16.0.0/12]\n')).toEqual([])
  expect(lines('')).toEqual([])
})
