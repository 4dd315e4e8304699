import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { decodeJwt, decodeProtectedHeader, type JWTPayload } from 'jose'
import { expect, test } from 'vitest'
import { CLIENT_SECRET_TYPE } from '../../src/chatkit/signing/client-secret.ts'
import { makeSigningKeys, readSigningKeys } from '../../src/chatkit/signing/signing-keys.ts'
import { ADMINS, adminToken, secretOf } from '../support/admin-calls.ts'
import { PUBLIC_URL, selfHostedConfig } from '../support/chatkit/self-hosted.ts'
import { type Running, startService } from '../support/running-service.ts'
import { scratchFolder } from '../support/scratch-folder.ts'
import { forEachTest } from '../support/started.ts'

// With the key file the test signs tokens that the service would not.

const config = selfHostedConfig({ server: 'http://127.0.0.1:9/chatkit', more: ADMINS })

let folder: string
let path: string
const running = forEachTest(async () => {
  folder = scratchFolder()
  path = join(folder, 'keys.json')
  writeFileSync(path, makeSigningKeys())
  return startService({ config, env: { PUBLIC_URL, SIGNING_KEY_FILE: path } })
})

async function isActive(secret: string, { url }: Pick<Running, 'url'> = running) {
  const response = await fetch(`${url}/v1/introspect`, {
    method: 'POST',
    headers: { authorization: `Bearer ${adminToken()}` },
    body: new URLSearchParams({ token: secret }),
  })
  return ((await response.json()) as { active: boolean }).active
}

/** Status from the gateway. Nothing listens at the server's address. */
async function gatewayStatus(secret: string) {
  const response = await fetch(`${running.url}/chatkit/helpdesk`, {
    method: 'POST',
    headers: { authorization: `Bearer ${secret}`, 'content-type': 'application/json' },
    body: JSON.stringify({ type: 'threads.get_by_id', params: { thread_id: 'thr_1' } }),
  })
  return response.status
}

const signWith = async (text: string, claims: JWTPayload, type = CLIENT_SECRET_TYPE) =>
  readSigningKeys(text, 'test').sign(claims, type)

test('only a client secret that was handed out is accepted, whatever else is signed with the same key', async () => {
  const minted = await secretOf(running)
  expect([await isActive(minted), await gatewayStatus(minted)]).toEqual([true, 404])
  const text = readFileSync(path, 'utf8')
  const claims = decodeJwt(minted)
  const forged = [
    await signWith(text, { ...claims, sid: 'cksess_unknown' }),
    await signWith(text, { ...claims, aud: 'chatkit:support' }),
    await signWith(text, { ...claims, iss: 'https://other.example' }),
    await signWith(text, { ...claims, sub: 'bob' }),
    await signWith(text, claims, 'JWT'),
    await signWith(text, claims, 'chatkit-upload+jwt'),
    // The token that the server gets, and one of a user.
    await signWith(text, { ...claims, aud: 'http://127.0.0.1:9/chatkit' }, 'JWT'),
    adminToken(),
  ]
  for (const secret of forged) {
    expect([await isActive(secret), await gatewayStatus(secret)]).toEqual([false, 401])
  }
  // Signed by our key, for a session of ours and its user, but not the secret of that session.
  expect(await isActive(await signWith(text, { ...claims, jti: 'jti_other' }))).toBe(false)
})

test('after a rotation of the key file old client secrets hold, and new ones come from the new key', async () => {
  const store = { STORE_URL: `sqlite:${join(folder, 'store.db')}` }
  const env = { PUBLIC_URL, SIGNING_KEY_FILE: path, ...store }
  const before = await startService({ config, env })
  const old = await secretOf(before)
  await before.close()
  const { keys: oldKeys } = JSON.parse(readFileSync(path, 'utf8'))
  const { keys: newKeys } = JSON.parse(makeSigningKeys())
  const next = join(folder, 'next.json')
  writeFileSync(next, JSON.stringify({ keys: [...newKeys, ...oldKeys] }))
  const after = await startService({ config, env: { ...env, SIGNING_KEY_FILE: next } })
  const fresh = await secretOf(after)
  expect(decodeProtectedHeader(fresh).kid).not.toBe(decodeProtectedHeader(old).kid)
  expect([await isActive(old, after), await isActive(fresh, after)]).toEqual([true, true])
})

test('without a key file, client secrets hold after a restart with the key in SQLite', async () => {
  const env = { PUBLIC_URL, STORE_URL: `sqlite:${join(folder, 'kept.db')}` }
  const before = await startService({ config, env })
  const secret = await secretOf(before)
  await before.close()
  const after = await startService({ config, env })
  expect(await isActive(secret, after)).toBe(true)
})

test('the log says that all instances need one key, when another key signed the secret', async () => {
  const claims = decodeJwt(await secretOf(running))
  expect(await gatewayStatus(await signWith(await makeSigningKeys(), claims))).toBe(401)
  expect(running.log.find(({ status }) => status === 401)).toMatchObject({
    reason: expect.stringContaining('all instances need the same SIGNING_KEY_FILE'),
  })
})
