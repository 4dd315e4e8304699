// Reads JSON of others: strictly, so that no two parsers can read it differently, or text that may be no JSON at all.

/** Thrown for text that is not acceptable JSON. The message says why and contains nothing of the text. */
export class StrictJsonError extends Error {
  override readonly name: string = 'StrictJsonError'
}

/** Thrown for text that is no JSON. */
export class NotJsonError extends StrictJsonError {
  override readonly name = 'NotJsonError'

  constructor() {
    super('not JSON')
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * Parses JSON and refuses what `JSON.parse` accepts but two parsers may read differently: bytes that are not
 * UTF-8, a repeated key (RFC 8259 §4: behaviour unpredictable; RFC 7519 §4: reject), `__proto__` as a key,
 * nesting beyond `maxDepth`. It also refuses more than {@link MOST_VALUES} values. All of this is checked before
 * `JSON.parse`, which takes seconds for millions of values.
 *
 * @param source - text, or bytes in UTF-8
 * @param maxDepth - how many arrays and objects may enclose a value
 * @throws {@link StrictJsonError}
 */
export function parseStrictJson(source: string | Uint8Array, maxDepth: number): unknown {
  let text: string
  try {
    text = typeof source === 'string' ? source : utf8.decode(source)
  } catch {
    throw new StrictJsonError('not UTF-8')
  }
  checkKeysAndDepth(text, maxDepth)
  try {
    return JSON.parse(text)
  } catch {
    throw new NotJsonError()
  }
}

/** Ten megabytes can hold millions of values, and code that visits each would block the process for a second. */
const MOST_VALUES = 100_000

const CODES = { '"': 34, ',': 44, ':': 58, '[': 91, '\\': 92, ']': 93, '{': 123, '}': 125 } as const

/**
 * One pass over text that may be no JSON: `stack` holds the keys seen in each open object, or null for an array. A
 * string is a key when a colon follows it. What cannot follow a string ends the pass: millions of strings take long.
 */
function checkKeysAndDepth(text: string, maxDepth: number): void {
  const stack: (Set<string> | null)[] = []
  let values = 1
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === CODES['{'] || code === CODES['[']) {
      if (stack.length >= maxDepth) throw new StrictJsonError(`more than ${maxDepth} levels deep`)
      stack.push(code === CODES['{'] ? new Set() : null)
      values++
    } else if (code === CODES[',']) {
      // Text that only begins like JSON, as the first line of a CSV file does.
      if (stack.length === 0) throw new NotJsonError()
      values++
    } else if (code === CODES['}'] || code === CODES[']']) {
      stack.pop()
      // Text that goes on behind its first value, as lines of JSON and of logs do.
      if (stack.length === 0 && text.slice(at + 1).trim() !== '') throw new NotJsonError()
    } else if (code === CODES['"']) {
      const end = endOfString(text, at)
      let next = end
      let after = text.charCodeAt(next)
      // RFC 8259 §2: space, line feed, carriage return, tab.
      while (after === 32 || after === 10 || after === 13 || after === 9) {
        after = text.charCodeAt(++next)
      }
      if (after === CODES[':']) addKey(stack.at(-1), text.slice(at, end))
      else if (!',]}'.includes(text[next] ?? ',')) throw new NotJsonError()
      at = next - 1
    }
    if (values > MOST_VALUES) throw new StrictJsonError(`more than ${MOST_VALUES} values`)
  }
}

/** Searches for the next quote, because a string may have ten megabytes; from an escaped quote on, each character. */
function endOfString(text: string, start: number): number {
  const quote = text.indexOf('"', start + 1)
  if (quote !== -1 && text[quote - 1] !== '\\') return quote + 1
  let at = quote === -1 ? text.length : start + 1
  for (let code = text.charCodeAt(at); code !== CODES['"']; code = text.charCodeAt(at)) {
    if (at >= text.length) throw new NotJsonError()
    at += code === CODES['\\'] ? 2 : 1
  }
  return at + 1
}

function addKey(keys: Set<string> | null | undefined, literal: string): void {
  // Escapes are decoded first: "\u0073ub" repeats "sub".
  const key = literal.includes('\\') ? jsonOrUndefined(literal) : literal.slice(1, -1)
  if (typeof key !== 'string' || !keys) throw new NotJsonError()
  if (key === '__proto__') throw new StrictJsonError('__proto__ as a key')
  if (keys.has(key)) throw new StrictJsonError('a repeated key')
  keys.add(key)
}

/** Whether a value is an object in the sense of JSON: no array and not null. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** An own field of an object; undefined when there is none. */
export function fieldOf(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null) return undefined
  return Object.hasOwn(value, name) ? Reflect.get(value, name) : undefined
}

/** The value that `JSON.parse` gives; undefined when the text is not JSON. */
export function jsonOrUndefined(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
