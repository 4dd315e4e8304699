import { Agent } from 'undici'
import { expect } from 'vitest'
import { createAuthenticator } from '../../src/authenticate/authenticate.ts'
import type { IssuerSettings } from '../../src/config/settings.ts'
import { Secret } from '../../src/lib/secret.ts'
import { issuerSettings, recordingLog, stoppedClock } from '../support/issuer-settings.ts'
import { startKeyServer } from '../support/key-server.ts'
import { claimsOf, createSigner } from '../support/tokens.ts'

// A service with two issuers that publish a key of the same kid, and one with a shared secret. Each
// test starts with nothing fetched.

export const es = createSigner('ES256', 'shared-kid')
export const rs = createSigner('RS256', 'rsa')
export const other = createSigner('ES256', 'shared-kid')
export const secret = 'a secret of more than 32 bytes, in UTF-8: é'

export const clock = stoppedClock()
export const server = await startKeyServer([es.publicJwk, rs.publicJwk])
export const otherServer = await startKeyServer([other.publicJwk])
const dispatcher = new Agent()
let service = serviceOf({})

/** For `beforeEach` of each file: files that share a worker share the servers, which live as long as it. */
export function forgetKeys(): void {
  Object.assign(server.fetches, { jwks: 0, discovery: 0, other: 0 })
  configure({ algorithms: ['ES256', 'RS256'] })
}

function serviceOf(main: Partial<IssuerSettings>) {
  const url = server.jwksUri
  const issuers = [
    issuerSettings({ issuer: server.issuer, keys: { kind: 'jwks_uri', url }, ...main }),
    issuerSettings({
      issuer: otherServer.issuer,
      keys: { kind: 'jwks_uri', url: otherServer.jwksUri },
    }),
    issuerSettings({
      issuer: 'https://secret.example',
      algorithms: ['HS256', 'HS512'],
      keys: { kind: 'secret', secretEnv: 'SHARED' },
    }),
  ]
  const secrets = (name: string) => (name === 'SHARED' ? new Secret(secret) : undefined)
  const { log } = recordingLog()
  return createAuthenticator({ issuers, now: clock.now, log, dispatcher, secrets })
}

/** Starts the service anew, with other settings of the first issuer. */
export function configure(main: Partial<IssuerSettings>): void {
  service = serviceOf(main)
}

export const authenticate = (token: string, source = {}) => service.authenticate(token, source)

/** Good claims of the first issuer. */
export const claims = (changes = {}) => claimsOf(server.issuer, clock.now(), changes)

export const seconds = () => clock.now() / 1000

export function refusal(token: string): Promise<{ code: string; reason: string }> {
  return service.authenticate(token, {}).then(
    () => expect.unreachable('was accepted'),
    ({ code, reason }) => ({ code, reason }),
  )
}

/** Refused as `invalid_token`, for a reason that matches. */
export async function invalid(token: string, reason: RegExp): Promise<void> {
  expect(await refusal(token)).toMatchObject({
    code: 'invalid_token',
    reason: expect.stringMatching(reason),
  })
}
