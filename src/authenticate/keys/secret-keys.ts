// Keys made of a secret that this service shares with the issuer (HS256, HS384, HS512).

import { webcrypto } from 'node:crypto'
import type { CryptoKey } from 'jose'
import { lastUsable, type Secret, sharedSecretProblem } from '../../lib/secret.ts'
import type { IssuerKeys } from './issuer-keys.ts'
import { createFixedKeys, type FindKeys } from './local-keys.ts'

const MIN_SECRET_BYTES = 32

/** Bytes of output by algorithm (RFC 7518 §3.2). */
const HMAC_BYTES = new Map([
  ['HS256', 32],
  ['HS384', 48],
  ['HS512', 64],
])

/**
 * Reads the secret again on each use, so that its file can be replaced while the service runs. If what it holds then
 * cannot be a secret, the last good one stays in use.
 *
 * @param read - gives the secret; its UTF-8 bytes are the key
 * @param onRefused - called once for each text that cannot be a secret, with the end of a sentence
 * @throws Error when there is no secret, or it has fewer than 32 bytes
 */
export function createSecretKeys(
  read: () => Secret | undefined,
  onRefused: (problem: string) => void,
): IssuerKeys {
  const first = read()
  if (first === undefined) throw new Error('is not set')
  let current = { text: first.reveal(), find: createHmacKeys(bytesOf(first)), version: 0 }

  const usable = lastUsable(read, first, { problemOf: sharedSecretProblem, onRefused })

  function newest() {
    const secret = usable()
    if (secret.reveal() !== current.text) {
      const find = createHmacKeys(bytesOf(secret))
      current = { text: secret.reveal(), find, version: current.version + 1 }
    }
    return current
  }

  return {
    ...createFixedKeys((header) => newest().find(header)),
    async find(header) {
      const { find, version } = newest()
      return { keys: await find(header), version }
    },
    version: async () => newest().version,
  }
}

/**
 * Serves one symmetric key, imported once per algorithm. The `kid` of a token is ignored.
 *
 * @throws Error when there are fewer than 32 bytes
 */
export function createHmacKeys(bytes: Uint8Array<ArrayBuffer>): FindKeys {
  if (bytes.length < MIN_SECRET_BYTES) throw new Error(`has fewer than ${MIN_SECRET_BYTES} bytes`)
  const imported = new Map<string, Promise<CryptoKey>>()
  return async ({ alg }) => {
    const key = imported.get(alg) ?? importKey(bytes, alg)
    imported.set(alg, key)
    return [await key]
  }
}

/**
 * The algorithms for which a secret is too short: RFC 7518 §3.2 requires at least as many bytes as the
 * output of the hash.
 *
 * @param secret - its UTF-8 bytes are the key
 */
export function algorithmsBeyond(secret: Secret, algorithms: readonly string[]): string[] {
  const { length } = bytesOf(secret)
  return algorithms.filter((alg) => (HMAC_BYTES.get(alg) ?? 0) > length)
}

function bytesOf(secret: Secret): Uint8Array<ArrayBuffer> {
  return Buffer.from(secret.reveal(), 'utf8')
}

function importKey(bytes: Uint8Array<ArrayBuffer>, alg: string): Promise<CryptoKey> {
  const algorithm = { name: 'HMAC', hash: alg.replace('HS', 'SHA-') }
  return webcrypto.subtle.importKey('raw', bytes, algorithm, false, ['verify'])
}
