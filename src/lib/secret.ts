import { inspect } from 'node:util'

const REDACTED = '[redacted]'

/**
 * A value that must not be printed: an API key, a client secret, a user's token. Whatever turns it
 * into text (a template, JSON, `console.log`, a crash report) gets `[redacted]`; only
 * {@link Secret.reveal} gives the value, so that every use can be found by that name.
 */
export class Secret {
  readonly #value: string

  /** @param value - the text to keep */
  constructor(value: string) {
    this.#value = value
  }

  /** For a schema's `transform`. */
  static of(value: string): Secret {
    return new Secret(value)
  }

  /** The value itself: for the wire and for hashing, never for a message. */
  reveal(): string {
    return this.#value
  }

  /** `…` and the last four characters, which is what operators need to tell keys apart. */
  hint(): string {
    return this.#value.length >= 12 ? `…${this.#value.slice(-4)}` : '…'
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
