// Wraps a secret, so that no log line, answer or error message can show it by accident.
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
   * `…` and the last four characters, so that operators can tell keys apart. Below 12 characters only
   * `…`.
   */
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
