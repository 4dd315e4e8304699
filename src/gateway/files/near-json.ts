// Reads JSON, and what only some servers read as JSON, in a field or a file of a form.

import { setImmediate as turn } from 'node:timers/promises'
import { ServiceError } from '../../lib/errors.ts'
import { jsonOrUndefined, NotJsonError, parseStrictJson } from '../../lib/json.ts'
import { show } from '../../lib/show.ts'

/** JSON begins like this, also behind a byte order mark; each character of UTF-16 has a NUL beside it. */
const JSON_BEGINS = /^[\s\0\ufeff\ufffd]*["[{]/
/**
 * Beginning of text in a dialect of JSON: JSON itself, perhaps in parentheses; a comment; or `)]}'`, which keeps a page
 * from running it. Some parsers skip control characters first. These match alone, too, because they may fill the part of
 * a file that is searched.
 */
export const NEAR_JSON_BEGINS = /^[\s\p{Cc}\ufeff\ufffd]*(?:["'[{#()]|\/[/*]|$)/u
/**
 * Matches an id's name as a key, in JSON, its dialects and the objects of JavaScript and Python: before a colon, `=` (Gson),
 * a comment or very many blanks. Also matches an escaped letter, because the name can be written with escapes. Blanks
 * belong to one part of the pattern only: in two, it would try each way to share them, and block the process for minutes.
 */
const NEAR_JSON_ID =
  /(?<![\w-])(?:thread|attachment)s?(?:[\s_-]{0,9}(?:ids?|(?<=[_-])))?(?:["'\s\p{Cc}]{99}|["'\s\p{Cc}]{0,98}(?:[:=#]|\/[/*]))|\\(?:u0{2,6}[4-7][\da-f]|u\{|x[4-7][\da-f]|1[0-7]{2})/giu
/** Deepest nesting of JSON in a field. */
const MAX_DEPTH = 64
/** Characters that are searched, or copied, in one turn of the event loop: a file of megabytes would take a second. */
const PIECE = 128 * 1024
/** More characters than {@link NEAR_JSON_ID} can match. */
const OVERLAP = 512
const CODES = { nul: 0, lineFeed: 10, return: 13, backslash: 92 } as const

/**
 * The parsed value of a field that holds JSON, because servers parse it too; undefined for other text. Python's
 * `json.loads` takes bytes behind a byte order mark, and bytes in UTF-16.
 *
 * @throws `invalid_request` for JSON that can be read in several ways, or an id in text that is almost JSON
 */
export async function jsonIn(value: string, name: string): Promise<unknown> {
  const isWide = value.includes('\0')
  const text = (isWide ? await without(nulAt, value) : value).replace(/^[\ufeff\ufffd]+/, '')
  if (!JSON_BEGINS.test(text)) {
    return jsonOrUndefined(text) === undefined ? refuseNearJson(text, name) : undefined
  }
  try {
    const json = parseStrictJson(text, MAX_DEPTH)
    return typeof json === 'string' ? [json, await jsonIn(json, name)] : json
  } catch (error) {
    if (error instanceof NotJsonError) return refuseNearJson(text, name)
    throw refusal(`JSON that can be read in several ways, in the field ${show(name)}`, error)
  }
}

/**
 * Refuses text that is not JSON but has an id's name as a key, because lenient parsers read it: Python's accepts
 * `NaN`; .NET's accepts comments, single quotes and commas at the end.
 */
async function refuseNearJson(text: string, name: string): Promise<undefined> {
  if (!NEAR_JSON_BEGINS.test(text) || !text.includes('{')) return
  if (!(await hasNearId(text)) && !(await hasNearId(await without(escapeAt, text)))) return
  throw refusal(`an id in a text that only some servers read as JSON, in the field ${show(name)}`)
}

async function hasNearId(text: string): Promise<boolean> {
  for (let at = 0; at < text.length; at += PIECE) {
    // The pattern also looks at the character before a match.
    const piece = text.slice(Math.max(at - 1, 0), at + PIECE + OVERLAP)
    NEAR_JSON_ID.lastIndex = Math.min(at, 1)
    if (NEAR_JSON_ID.test(piece)) return true
    await turn()
  }
  return false
}

/** The text without what `lengthAt` finds. `replace` takes seconds for millions of matches. */
async function without(lengthAt: (units: Uint16Array, at: number) => number, text: string) {
  const bytes = Buffer.from(text, 'utf16le')
  const units = new Uint16Array(bytes.buffer, bytes.byteOffset, text.length)
  let kept = 0
  let at = 0
  while (at < units.length) {
    const end = Math.min(at + PIECE, units.length)
    while (at < end) {
      const dropped = lengthAt(units, at)
      if (dropped === 0) units[kept++] = units[at] ?? 0
      at += Math.max(dropped, 1)
    }
    await turn()
  }
  return bytes.toString('utf16le', 0, kept * 2)
}

function nulAt(units: Uint16Array, at: number): number {
  return units[at] === CODES.nul ? 1 : 0
}

/** JSON5 and YAML read `\h` as `h`, and drop a backslash together with the line end after it. */
function escapeAt(units: Uint16Array, at: number): number {
  if (units[at] !== CODES.backslash) return 0
  if (units[at + 1] === CODES.lineFeed) return 2
  return units[at + 1] === CODES.return && units[at + 2] === CODES.lineFeed ? 3 : 1
}

/** The error of a form that cannot be judged. */
export function refusal(reason: string, cause?: unknown): ServiceError {
  return new ServiceError('invalid_request', { reason, cause })
}
