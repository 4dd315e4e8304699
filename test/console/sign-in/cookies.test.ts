import { CompactEncrypt, EncryptJWT } from 'jose'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { createSealer } from '../../../src/console/sign-in/cookies.ts'
import { ServiceError } from '../../../src/lib/errors.ts'

const schema = z.object({ a: z.string() })
const KEY = new Uint8Array(32).fill(7)
let clock = 1_700_000_000_000
const now = () => clock
const sealer = createSealer({ secret: async () => KEY, now })

test('a sealed value opens for its purpose, in its time, and for nothing else', async () => {
  const sealed = await sealer.seal('session', { a: 'secret text' }, 60)
  expect(sealed.split('.')).toHaveLength(5)
  expect(Buffer.from(sealed, 'base64url').toString('latin1')).not.toContain('secret text')
  expect(await sealer.open('session', sealed, schema)).toEqual({ a: 'secret text' })
  expect(await sealer.open('notice', sealed, schema)).toBeUndefined()
  expect(await sealer.open('session', sealed, z.object({ b: z.string() }))).toBeUndefined()
  clock += 59_999
  expect(await sealer.open('session', sealed, schema)).toBeDefined()
  clock += 1
  expect(await sealer.open('session', sealed, schema)).toBeUndefined()
})

test('a sealed value does not open when any of its parts was changed', async () => {
  const sealed = await sealer.seal('session', { a: 'x' }, 60)
  for (const at of [0, 2, 3, 4]) {
    const parts = sealed.split('.')
    const part = parts[at] ?? ''
    parts[at] = (part.startsWith('A') ? 'B' : 'A') + part.slice(1)
    expect(await sealer.open('session', parts.join('.'), schema)).toBeUndefined()
  }
  for (const text of ['', 'x', 'a.b.c', 'a.b.c.d.e', sealed.slice(1), `${sealed}.x`]) {
    expect(await sealer.open('session', text, schema)).toBeUndefined()
  }
})

test('a value sealed with another key or algorithm, or without an end, does not open', async () => {
  const other = createSealer({ secret: async () => new Uint8Array(32).fill(8), now })
  const sealed = await other.seal('session', { a: 'x' }, 60)
  expect(await sealer.open('session', sealed, schema)).toBeUndefined()
  const wrapped = await new EncryptJWT({ a: 'x' })
    .setProtectedHeader({ alg: 'A256KW', enc: 'A256GCM' })
    .setAudience('session')
    .setExpirationTime(clock / 1000 + 60)
    .encrypt(KEY)
  expect(await sealer.open('session', wrapped, schema)).toBeUndefined()
  const endless = await new CompactEncrypt(Buffer.from('{"a":"x","aud":"session"}'))
    .setProtectedHeader({ alg: 'dir', enc: 'A256GCM' })
    .encrypt(KEY)
  expect(await sealer.open('session', endless, schema)).toBeUndefined()
})

test('a key that cannot be read is an error, not a sign-out', async () => {
  const down = createSealer({
    secret: () => Promise.reject(new ServiceError('store_unavailable', { reason: 'planted' })),
    now,
  })
  await expect(down.open('session', 'a.b.c.d.e', schema)).rejects.toThrow('store_unavailable')
})
