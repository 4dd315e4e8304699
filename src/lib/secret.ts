// Wraps a secret, so that no log line, answer or error message can show it by accident. Also redacts what looks
// like a secret in a text.
import { inspect } from 'node:util'

const REDACTED = '[redacted]'

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
 * Matches an API key, a client secret or a JWT anywhere in a text: after anything but a letter, after the
 * letters of an escape (`\n`, `\u002f`, `%2F`), and inside a longer word if it is long and has a digit.
 */
const CREDENTIAL =
  /(?:(?<![A-Za-z])|(?<=%[\dA-Fa-f]{2}|\\[bfnrt]|\\u[\dA-Fa-f]{4}))(?:sk-|ek_|eyJ)[\w.-]{6,}|(?:sk-|ek_|eyJ)(?=[\w.-]{0,64}\d)[\w.-]{20,}/g
/** Beginnings of credentials. Most lines contain none of these and are not searched further. */
const BEGINNINGS = ['sk-', 'ek_', 'eyJ']

/**
 * Redacts everything in a text that looks like a credential. This is only the last defence: reasons and
 * messages must not contain secrets in the first place.
 */
export function scrub(text: string): string {
  if (!BEGINNINGS.some((beginning) => text.includes(beginning))) return text
  return text.replace(CREDENTIAL, '[redacted]')
}
