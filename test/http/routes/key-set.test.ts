import { createLocalJWKSet, decodeProtectedHeader, type JSONWebKeySet, jwtVerify } from 'jose'
import { expect, test } from 'vitest'
import { makeSigningKeys, readSigningKeys } from '../../../src/chatkit/signing/signing-keys.ts'
import { secretOf } from '../../support/admin-calls.ts'
import { PUBLIC_URL, selfHostedConfig } from '../../support/chatkit/self-hosted.ts'
import { answerOf, expectProblem } from '../../support/problem-answer.ts'
import { type Running, startService, tokenFor } from '../../support/running-service.ts'

// Nothing listens there: a mint does not ask the server.
const config = selfHostedConfig({ server: 'http://127.0.0.1:9/chatkit' })

let running: Running

const keySet = () => fetch(`${running.url}/.well-known/jwks.json`)

test('the public keys are for everyone, and may be kept for five minutes', async () => {
  running = await startService({ config, env: { PUBLIC_URL } })
  const response = await keySet()
  expect(response.status).toBe(200)
  expect(response.headers.get('cache-control')).toBe('public, max-age=300')
  expect(response.headers.get('content-type')).toBe('application/json')
  expect(response.headers.get('x-request-id')).toMatch(/^req_/)
  const body = (await response.json()) as JSONWebKeySet
  expect(body).toEqual({
    keys: [
      {
        kty: 'EC',
        crv: 'P-256',
        x: expect.any(String),
        y: expect.any(String),
        alg: 'ES256',
        use: 'sig',
        kid: expect.stringMatching(/^[\w-]{43}$/),
      },
    ],
  })
})

test('the published keys verify a client secret, and no secret with a changed byte', async () => {
  running = await startService({ config, env: { PUBLIC_URL } })
  const secret = await secretOf(running)
  const keys = createLocalJWKSet((await (await keySet()).json()) as JSONWebKeySet)
  const expected = { issuer: PUBLIC_URL, audience: 'chatkit:helpdesk' }
  const { payload } = await jwtVerify(secret, keys, expected)
  expect(payload.sub).toBe('alice')
  const [header = '', claims = '', signature = ''] = secret.split('.')
  const other = Buffer.from(claims, 'base64url').toString().replace('alice', 'bobby')
  const forged = `${header}.${Buffer.from(other).toString('base64url')}.${signature}`
  await expect(jwtVerify(forged, keys, expected)).rejects.toThrow('signature')
})

test('without a key file, two services in memory sign with keys of their own', async () => {
  running = await startService({ config, env: { PUBLIC_URL } })
  const other = await startService({ config, env: { PUBLIC_URL } })
  const kids = [running, other].map(async (one) => {
    return decodeProtectedHeader(await secretOf(one)).kid
  })
  expect(new Set(await Promise.all(kids)).size).toBe(2)
})

test('without a self-hosted workflow there is no key set, no introspection, no gateway', async () => {
  running = await startService({ env: { PUBLIC_URL } })
  expectProblem(await answerOf(await keySet()), 404, 'not_found')
  const headers = { authorization: `Bearer ${tokenFor()}`, 'content-type': 'application/json' }
  for (const path of ['/v1/introspect', '/chatkit/support']) {
    const call = fetch(running.url + path, { method: 'POST', headers, body: '{}' })
    expectProblem(await answerOf(await call), 404, 'not_found')
  }
})

test.each(['ES256', 'EdDSA', 'RS256'] as const)(
  'the API description names each member of an %s key',
  async (alg) => {
    const { publicKeys } = readSigningKeys(makeSigningKeys(alg), 'test')
    running = await startService({ config, env: { PUBLIC_URL } })
    const description = (await (await fetch(`${running.url}/openapi.json`)).json()) as {
      components: { schemas: { PublicKey: { properties: object } } }
    }
    const { properties } = description.components.schemas.PublicKey
    for (const key of publicKeys.keys) {
      expect(Object.keys(properties)).toEqual(expect.arrayContaining(Object.keys(key)))
    }
  },
)
