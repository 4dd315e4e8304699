// Reads one atom of a regular expression: the characters that it matches, and where it ends.

/** A set of characters as bits: one bit for each ASCII character, and one for all others together. */
export type Characters = bigint

const OTHERS: Characters = 1n << 128n
/** Every character. */
export const EVERY: Characters = (1n << 129n) - 1n

const DIGITS = span(48, 57)
const WORD = DIGITS | span(65, 90) | span(97, 122) | bit(95)
const SPACES = span(9, 13) | bit(32) | OTHERS
/** Characters outside ASCII share one bit, so both a set and its complement have it. */
const not = (characters: Characters): Characters => (EVERY & ~characters) | OTHERS

const CLASSES: Readonly<Record<string, Characters>> = {
  d: DIGITS,
  D: not(DIGITS),
  w: WORD,
  W: not(WORD),
  s: SPACES,
  S: not(SPACES),
}
const CONTROLS: Readonly<Record<string, number>> = { t: 9, n: 10, v: 11, f: 12, r: 13 }

function bit(code: number): Characters {
  return code < 128 ? 1n << BigInt(code) : OTHERS
}

function span(first: number, last: number): Characters {
  return between(bit(first), bit(last))
}

/** The range between two single characters; empty when one of them is a class such as `\d`. */
function between(low: Characters, high: Characters): Characters {
  const single = (low & (low - 1n)) === 0n && (high & (high - 1n)) === 0n
  return single && low <= high ? 2n * high - low : 0n
}

interface Atom {
  /** Undefined for `^`, `$`, `\b` and `\B`, which match no character. */
  readonly characters: Characters | undefined
  /** Index after the atom. */
  readonly end: number
}

/**
 * @param pattern - one that `new RegExp(pattern)` accepts
 * @param at - index of the atom: not of a group, a quantifier or `|`
 * @returns undefined for a back reference
 */
export function readAtom(pattern: string, at: number): Atom | undefined {
  const character = pattern[at]
  if (character === '^' || character === '$') return { characters: undefined, end: at + 1 }
  if (character === '.') return { characters: EVERY, end: at + 1 }
  if (character === '[') return readClass(pattern, at + 1)
  if (character !== '\\') return { characters: bit(pattern.charCodeAt(at)), end: at + 1 }
  const next = pattern[at + 1] ?? ''
  if (/[1-9k]/.test(next)) return undefined
  if (next === 'b' || next === 'B') return { characters: undefined, end: at + 2 }
  return readEscape(pattern, at + 1)
}

/** @param at - after the backslash */
function readEscape(pattern: string, at: number): Required<Atom> & { characters: Characters } {
  const name = pattern[at] ?? ''
  const known = Object.hasOwn(CLASSES, name) ? CLASSES[name] : undefined
  if (known !== undefined) return { characters: known, end: at + 1 }
  if (Object.hasOwn(CONTROLS, name)) return { characters: bit(CONTROLS[name] ?? 0), end: at + 1 }
  const code = /^(?:x([\da-fA-F]{2})|u([\da-fA-F]{4})|c([A-Za-z])|([0-7]{1,3}))/.exec(
    pattern.slice(at, at + 5),
  )
  if (code === null) return { characters: bit(pattern.charCodeAt(at)), end: at + 1 }
  const [text, byte, unit, letter, octal] = code
  const value =
    letter === undefined
      ? Number.parseInt(byte ?? unit ?? octal ?? '0', octal === undefined ? 16 : 8)
      : letter.charCodeAt(0) % 32
  return { characters: bit(value), end: at + text.length }
}

/** @param start - after the `[` */
function readClass(pattern: string, start: number): Atom {
  const negated = pattern[start] === '^'
  let at = negated ? start + 1 : start
  let found: Characters = 0n
  while (pattern[at] !== ']') {
    const low = readMember(pattern, at)
    at = low.end
    found |= low.characters
    if (pattern[at] !== '-' || pattern[at + 1] === ']') continue
    const high = readMember(pattern, at + 1)
    at = high.end
    const range = between(low.characters, high.characters)
    // With a class at one end, the hyphen stands for itself.
    found |= range === 0n ? high.characters | bit(45) : range
  }
  return { characters: negated ? not(found) : found, end: at + 1 }
}

function readMember(pattern: string, at: number): { characters: Characters; end: number } {
  if (pattern[at] !== '\\') return { characters: bit(pattern.charCodeAt(at)), end: at + 1 }
  if (pattern[at + 1] === 'b') return { characters: bit(8), end: at + 2 }
  return readEscape(pattern, at + 1)
}
