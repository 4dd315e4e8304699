// Keys made of a secret that this service shares with the issuer (HS256, HS384, HS512).
import { webcrypto } from 'node:crypto'
import type { CryptoKey } from 'jose'
import type { Secret } from '../../lib/secret.ts'
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
 * Reads the secret again on each use, so that its file can be replaced while the service runs. If the
 * secret is then missing or too short, the last good one stays in use.
 *
 * @param read - gives the secret; its UTF-8 bytes are the key
 * @throws Error when there is no secret, or it has fewer than 32 bytes
 */
export function createSecretKeys(read: () => Secret | undefined): IssuerKeys {
  const first = read()
  if (first === undefined) throw new Error('is not set')
  let current = { text: first.reveal(), find: createHmacKeys(bytesOf(first)), version: 0 }

  function newest() {
    const secret = read()
    if (secret !== undefined && secret.reveal() !== current.text && isLongEnough(bytesOf(secret))) {
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
  if (!isLongEnough(bytes)) throw new Error(`has fewer than ${MIN_SECRET_BYTES} bytes`)
  const imported = new Map<string, Promise<CryptoKey>>()
  return async ({ alg }) => {
    if (!HMAC_BYTES.has(alg)) return []
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

function isLongEnough(bytes: Uint8Array): boolean {
  return bytes.length >= MIN_SECRET_BYTES
}

function importKey(bytes: Uint8Array<ArrayBuffer>, alg: string): Promise<CryptoKey> {
  const algorithm = { name: 'HMAC', hash: alg.replace('HS', 'SHA-') }
  return webcrypto.subtle.importKey('raw', bytes, algorithm, false, ['verify'])
}
