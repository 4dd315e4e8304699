// Wraps a secret, so that no log line, answer or error message can show it by accident. Tells which texts can be a
// secret, and redacts what looks like one in a text.

import { hash, randomBytes } from 'node:crypto'
import { inspect } from 'node:util'

/** Stands for a secret in texts. */
export const REDACTED = '[redacted]'

/**
 * A value that must not be printed: an API key, a client secret, a user's token. Anything that turns it
 * into text (a template, JSON, `console.log`, a crash report) gets `[redacted]`; only
 * {@link Secret.reveal} gives the value, so that every use can be found by that name.
 */
export class Secret {
  readonly #value: string

  constructor(value: string) {
    this.#value = value
  }

  /** The constructor as a function, for a schema's `transform`. */
  static of(value: string): Secret {
    return new Secret(value)
  }

  /** The value itself: for the wire and for hashing, never for a message. */
  reveal(): string {
    return this.#value
  }

  /**
   * `…` and the last four characters, so that operators can tell keys apart. Only `…` where these would be
   * more than half of the secret.
   */
  hint(): string {
    return this.#value.length >= 8 ? `…${this.#value.slice(-4)}` : '…'
  }

  toString(): string {
    return REDACTED
  }

  toJSON(): string {
    return REDACTED
  }

  [inspect.custom](): string {
    return REDACTED
  }
}

/**
 * Hex SHA-256 of a client secret, for the registry. Client secrets are long and random, so nobody can find one by
 * guessing, and a slow password hash is not needed.
 */
export function hashSecret(secret: Secret): string {
  return hash('sha256', secret.reveal())
}

/** A source of a secret that never changes. */
export function fixedSecret(text: string) {
  const secret = new Secret(text)
  return Object.assign(() => secret, { isFixed: true as const })
}

/**
 * The newest secret of a source that can be used. One that cannot is left out, and the one before it stays.
 *
 * @param source - gives the same object until the secret changes; undefined while there is none
 * @param problemOf - the end of a sentence about a text; undefined for a text that can be used
 * @param onRefused - called once for each text that cannot be used, with the end of a sentence for the log
 */
export function lastUsable(
  source: () => Secret | undefined,
  first: Secret,
  {
    problemOf,
    onRefused,
  }: {
    readonly problemOf: (text: string) => string | undefined
    readonly onRefused: (problem: string) => void
  },
): () => Secret {
  let judged = first
  let usable = first
  return () => {
    const current = source()
    if (current === undefined || current === judged) return usable
    judged = current
    const problem = problemOf(current.reveal())
    if (problem === undefined) usable = current
    else onRefused(`what its file holds now ${problem}; the key before it stays in use`)
    return usable
  }
}

const MIN_BYTES = 32

/**
 * Reads a random key from its text.
 *
 * @param text - base64url, with or without padding
 * @returns the bytes; undefined when it is not base64url or shorter than 32 bytes
 */
export function readRandomKey(text: string): Uint8Array | undefined {
  const digits = text.replace(/={1,2}$/, '')
  if (!/^[A-Za-z0-9_-]+$/.test(digits)) return undefined
  const key = Buffer.from(digits, 'base64url')
  return key.length >= MIN_BYTES ? key : undefined
}

/** A new random key as {@link readRandomKey} takes it. */
export function newRandomKey(): string {
  return randomBytes(MIN_BYTES).toString('base64url')
}

/** Why a text cannot be a random key, as the end of a sentence; undefined for one that can. */
export function randomKeyProblem(text: string): string | undefined {
  if (readRandomKey(text) !== undefined) return undefined
  return 'is not base64url of at least 32 bytes; make one with: openssl rand -base64 32 | tr +/ -_'
}

/**
 * Why a text cannot be the secret of an issuer's HS256 tokens, as the end of a sentence; undefined for one that can.
 * RFC 7518 §3.2 asks HS256 for a key as long as its hash.
 */
export function sharedSecretProblem(text: string): string | undefined {
  if (Buffer.byteLength(text) < MIN_BYTES) {
    return `is shorter than ${MIN_BYTES} bytes; use a longer secret`
  }
  if (isCredential(text)) {
    return 'is a token, a PEM or a JWK, and no secret; use the plain text of the secret'
  }
  return undefined
}

/**
 * Whether a text is a JWT, a PEM block or a JWK. Public keys, and the `anon` keys in Supabase's pages, are
 * known to everybody. As a secret they would let everybody make tokens.
 */
function isCredential(value: string): boolean {
  const text = value.trim()
  if (/-----BEGIN [A-Z ]+-----/.test(text)) return true
  if (/^eyJ[\w-]*\.[\w-]+\.[\w-]*$/.test(text)) return true
  return text.startsWith('{') && /"(?:kty|keys)"\s*:/.test(text)
}

/**
 * Matches an API key, a client secret or a JWT anywhere in a text: after anything but a letter, after the
 * letters of an escape (`\n`, `\u002f`, `%2F`), and inside a longer word if it is long and has a digit.
 */
export const CREDENTIAL =
  /(?:(?<![A-Za-z])|(?<=%[\dA-Fa-f]{2}|\\[bfnrt]|\\u[\dA-Fa-f]{4}))(?:sk-|ek_|eyJ)[\w.-]{6,}|(?:sk-|ek_|eyJ)(?=[\w.-]{0,64}\d)[\w.-]{20,}/g

/**
 * Redacts everything in a text that looks like a credential. This is only the last defence: reasons and
 * messages must not contain secrets in the first place.
 */
export function scrub(text: string): string {
  return text.replace(CREDENTIAL, REDACTED)
}
