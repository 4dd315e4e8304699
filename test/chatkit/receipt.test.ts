import { SignJWT } from 'jose'
import { describe, expect, test } from 'vitest'
import { RECEIPT_TYPE, verifyReceipt } from '../../src/chatkit/signing/receipt.ts'
import { makeSigningKeys, readSigningKeys } from '../../src/chatkit/signing/signing-keys.ts'

const ISSUER = 'https://chat.example.com'
const PAYLOAD = {
  iss: ISSUER,
  iat: 1_800_000_000,
  user: 'alice',
  blocked_until: null,
  sessions: [],
  from: 1_799_913_600,
  generation: 1,
  truncated: false,
}

const keys = readSigningKeys(makeSigningKeys(), 'test')
const others = readSigningKeys(makeSigningKeys('EdDSA'), 'test')
const receipt = keys.sign(PAYLOAD, RECEIPT_TYPE)

const refused = (jws: string, why = '', issuer = ISSUER) =>
  expect(verifyReceipt(jws, keys.publicKeys, issuer)).rejects.toThrow(why)

describe('a receipt', () => {
  test('is verified with the published keys', async () => {
    expect(await verifyReceipt(receipt, keys.publicKeys, ISSUER)).toEqual(PAYLOAD)
  })

  test('is refused with one byte changed, wherever it is', async () => {
    for (let at = 0; at < receipt.length; at++) {
      const byte = receipt[at] === 'A' ? 'B' : 'A'
      await refused(receipt.slice(0, at) + byte + receipt.slice(at + 1))
    }
    // The last character of a signature of 64 bytes has four unused bits.
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
    const last = alphabet.indexOf(receipt.at(-1) ?? '')
    await refused(receipt.slice(0, -1) + alphabet[last ^ 1])
    const [head, , signature] = receipt.split('.')
    await refused(`${head}.e30.${signature}`, 'the signature is not right')
  })

  test('is refused from another issuer, of another type, by another key, and with a field missing', async () => {
    await refused(receipt, 'its iss is another', `${ISSUER}/`)
    await refused(receipt, 'its iss is another', 'http://chat.example.com')
    for (const type of ['chatkit-secret+jwt', 'JWT', 'chatkit-receipt']) {
      await refused(keys.sign(PAYLOAD, type), 'its typ is another')
    }
    await refused(others.sign(PAYLOAD, RECEIPT_TYPE), 'none of these keys signed it')
    const { user: _, ...nobody } = PAYLOAD
    await refused(keys.sign(nobody, RECEIPT_TYPE), 'it is not one at all')
  })

  test('is refused without a signature, and with one by a secret that everybody knows', async () => {
    const [, payload = ''] = receipt.split('.')
    const header = Buffer.from(JSON.stringify({ alg: 'none', typ: RECEIPT_TYPE }))
    await refused(`${header.toString('base64url')}.${payload}.`)
    const kid = keys.publicKeys.keys[0]?.kid ?? ''
    const secret = new TextEncoder().encode(JSON.stringify(keys.publicKeys.keys[0]))
    const header256 = { alg: 'HS256', kid, typ: RECEIPT_TYPE }
    const forged = await new SignJWT(PAYLOAD).setProtectedHeader(header256).sign(secret)
    await refused(forged, 'its algorithm is not one of ours')
    for (const text of ['', '..', receipt.slice(0, 40), `${receipt}.x`]) await refused(text)
  })
})
