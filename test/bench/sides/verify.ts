import { createRemoteJWKSet, decodeProtectedHeader, jwtVerify } from 'jose'
import { settings } from './settings.ts'

const keys = createRemoteJWKSet(new URL(settings.jwksUrl))
const secret = new TextEncoder().encode(settings.sharedSecret)
const { audience, keyPairIssuer, secretIssuer } = settings
const byKeyPair = { issuer: keyPairIssuer, audience, algorithms: ['ES256', 'RS256', 'EdDSA'] }
const bySecret = { issuer: secretIssuer, audience, algorithms: ['HS256'] }

/**
 * The way jose's documentation has it.
 *
 * @returns the token's subject
 * @throws when the token is not valid
 */
export async function verifiedSubject(token: string): Promise<string> {
  const { alg } = decodeProtectedHeader(token)
  const { payload } =
    alg === 'HS256'
      ? await jwtVerify(token, secret, bySecret)
      : await jwtVerify(token, keys, byKeyPair)
  if (payload.sub === undefined) throw new Error('no subject')
  return payload.sub
}
