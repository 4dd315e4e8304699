// Makes the signing key of the embedded sign-in.

import { generateKeyPair } from 'node:crypto'
import { promisify } from 'node:util'

/** Algorithms that the sign-in can sign its tokens with. */
export type SignInAlgorithm = 'RS256' | 'ES256' | 'EdDSA'

const generate = promisify(generateKeyPair)

/**
 * A new private key, as a JWK that says what it is for.
 *
 * @param algorithm - JOSE `alg`
 */
export async function newSigningKey(algorithm: SignInAlgorithm): Promise<Record<string, unknown>> {
  const { privateKey } = await pairFor(algorithm)
  return { ...privateKey.export({ format: 'jwk' }), alg: algorithm, use: 'sig' }
}

function pairFor(algorithm: SignInAlgorithm) {
  switch (algorithm) {
    case 'RS256':
      return generate('rsa', { modulusLength: 2048 })
    case 'ES256':
      return generate('ec', { namedCurve: 'P-256' })
    case 'EdDSA':
      return generate('ed25519')
  }
}
