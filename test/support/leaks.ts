/** Something that must not be found: `ek_…`, a key, a token. */
export interface Planted {
  readonly what: string
  readonly value: string
}

/** Shortest piece that counts as a leak; the four characters of a key's hint do not. */
const FRAGMENT = 8

/**
 * Looks for planted values in a text: the whole value or a piece of it, or the value in base64, base64url, hex or
 * percent-encoding, also inside a longer encoded text.
 *
 * @returns each value that was found, and its encoding; empty when there is none
 */
export function leaksIn(text: string, planted: readonly Planted[]): string[] {
  return planted.flatMap(({ what, value }) =>
    Object.entries(formsOf(value))
      .filter(([, forms]) => forms.some((form) => text.includes(form)))
      .map(([form]) => `${what} as ${form}`),
  )
}

function formsOf(value: string): Record<string, readonly string[]> {
  return {
    text: fragments(randomPart(value)),
    base64: encodedAnywhere(value, 'base64'),
    base64url: encodedAnywhere(value, 'base64url'),
    hex: [Buffer.from(value).toString('hex')],
    'percent-encoded': percentEncoded(value),
  }
}

/** Leaves out parts that many keys, secrets and tokens share: prefixes, and a token's header. */
function randomPart(value: string): string {
  const [, payload, signature] = value.startsWith('eyJ') ? value.split('.') : []
  return signature || payload || value.replace(/^(?:sk-(?:proj-|mint-)?|ek_)/, '')
}

function fragments(text: string): string[] {
  const last = Math.max(0, text.length - FRAGMENT)
  return Array.from({ length: last + 1 }, (_, at) => text.slice(at, at + FRAGMENT))
}

/** In base64 a text looks different at each of three offsets; its edges depend on its neighbours. */
function encodedAnywhere(value: string, encoding: 'base64' | 'base64url'): string[] {
  return [0, 1, 2].map((offset) => {
    const encoded = Buffer.from('\0'.repeat(offset) + value).toString(encoding)
    return encoded.slice(offset === 0 ? 0 : 4, -4)
  })
}

function percentEncoded(value: string): string[] {
  const encoded = encodeURIComponent(value)
  return encoded === value ? [] : [encoded, encoded.replaceAll('%20', '+')]
}
