// Checks the forms of uploads: reads each field as the most lenient server would, and writes the form anew from
// these fields, so that no server can find anything in it that was not checked.

import { MIMEType } from 'node:util'
import { idsOf, isIdName, type RequestIds } from '../../chatkit/protocol/ids.ts'
import { ServiceError } from '../../lib/errors.ts'
import { FORM_TYPE } from '../../lib/header-patterns.ts'
import { jsonOrUndefined, NotJsonError, parseStrictJson } from '../../lib/json.ts'
import { show, showAll } from '../../lib/show.ts'

/** Media type of a form with files. */
export const MULTIPART_TYPE = /^multipart\/form-data *;/i
/** Types of forms. Multipart needs a boundary: browsers send a saved page as `multipart/related` without one. */
const ANY_FORM = /multipart\/form-data|multipart.*boundary|urlencoded/i
/**
 * Names of fields that every server reads alike. Some servers read `"`, `\\`, `;` or `%` as an end or an escape, and
 * Tomcat decodes what begins with `=?` (an encoded word, RFC 2047).
 */
const FIELD_NAME = /^(?!.*=\?)[^\p{Cc}"\\;%]{1,128}$/su
/** Separates the parts of a nested name: `input[thread_id]`, `input.thread_id`, `form:thread_id`. */
const BETWEEN_PARTS = /[^\p{L}\p{M}\p{N}_-]+/u
/** Usual names of the field that holds the file: `file`, `files`, `file0`, `myFile`, `uploaded_image`, but not `profile`. */
const FILE_NAME = /(?:(?<!pro)file|attachment|upload|image|photo|picture)s?[_-]?\d*$/i
/** Charsets other than these may write ids in bytes that are not ASCII (UTF-7, EBCDIC). UTF-16 only adds NULs. */
const OTHER_CHARSET =
  /charset(?!\s*=\s*"?(?:utf-?(?:8|16|16le|16be)|(?:us-)?ascii|iso-8859-\d+|windows-125\d)"?\s*(?:;|$))/i
/** Name of the field that gives the charset of all fields of the form (RFC 7578 §4.6). */
const CHARSET_FIELD = '_charset_'
/** Rack takes the name of the field from a file name like this one. */
const NAME_IN_FILE_NAME = /;\s*name\s*[=*]/i
/** JSON begins like this, also behind a byte order mark; each character of UTF-16 has a NUL beside it. */
const JSON_BEGINS = /^[\s\0\ufeff\ufffd]*["[{]/
/**
 * Beginning of text in a dialect of JSON: JSON itself, perhaps in parentheses; a comment; or `)]}'`, which keeps a page
 * from running it. Some parsers skip control characters first. These match alone, too, because they may fill the part of
 * a file that is searched.
 */
const NEAR_JSON_BEGINS = /^[\s\p{Cc}\ufeff\ufffd]*(?:["'[{#()]|\/[/*]|$)/u
/**
 * Matches an id's name as a key, in JSON, its dialects and the objects of JavaScript and Python: before a colon, `=` (Gson),
 * a comment or very many blanks. Also matches an escaped letter, because the name can be written with escapes.
 */
const NEAR_JSON_ID =
  /(?<![\w-])(?:thread|attachment)s?[\s_-]{0,9}(?:ids?)?["'\s\p{Cc}]{0,99}(?:[:=#]|\/[/*]|(?<=["'\s\p{Cc}]{99}))|\\(?:u0{2,6}[4-7][\da-f]|u\{|x[4-7][\da-f]|1[0-7]{2})/iu
/** JSON5 and YAML read `\h` as `h`, and drop a backslash together with the line end after it. */
const OTHER_ESCAPES = /\\(?:\r?\n)?/g
/** Most fields of a form, because the parser needs seconds for a hundred thousand. */
const MOST_FIELDS = 100
/** Deepest nesting of JSON in a field. */
const MAX_DEPTH = 64

/** A checked form, written anew for the server. */
export interface JudgedForm {
  /** All ids in its fields. */
  readonly ids: RequestIds
  readonly bytes: Uint8Array
  readonly contentType: string
}

/**
 * @returns undefined when the body is no form
 * @throws `unsupported_media_type` for a form of another kind; `invalid_request` when it cannot be read,
 * or has a field that servers may read in several ways
 */
export async function judgeForm(
  contentType: string,
  bytes: Uint8Array<ArrayBuffer>,
): Promise<JudgedForm | undefined> {
  const isPlain = FORM_TYPE.test(contentType)
  if (!isPlain && !MULTIPART_TYPE.test(contentType)) {
    if (!ANY_FORM.test(contentType)) return undefined
    throw new ServiceError('unsupported_media_type', { reason: 'a form of an unusual kind' })
  }
  if (hasManyFields(bytes, isPlain ? '&' : separatorOf(contentType))) {
    throw refusal(`a form of more than ${MOST_FIELDS} fields`)
  }
  const form = await readForm(contentType, bytes)
  const ids = idsOf({
    known: false,
    request: { type: 'upload', params: { fields: await judge(form) } },
  })
  const written = new Response(isPlain ? plainFields(form) : form)
  return {
    ids,
    bytes: new Uint8Array(await written.arrayBuffer()),
    contentType: written.headers.get('Content-Type') ?? '',
  }
}

/** The text before each part (RFC 2046 §5.1.1); undefined for a type that the parser refuses. */
function separatorOf(contentType: string): string | undefined {
  try {
    const boundary = new MIMEType(contentType).params.get('boundary')
    return boundary === null ? undefined : `--${boundary}`
  } catch {
    return undefined
  }
}

function hasManyFields(bytes: Uint8Array, separator: string | undefined): boolean {
  if (separator === undefined) return false
  const body = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const { length } = separator
  // A form in parts has one separator more than parts.
  let left = MOST_FIELDS + 1
  for (let at = body.indexOf(separator, 0, 'latin1'); at !== -1 && left >= 0; left--) {
    at = body.indexOf(separator, at + length, 'latin1')
  }
  return left < 0
}

async function readForm(contentType: string, bytes: Uint8Array<ArrayBuffer>): Promise<FormData> {
  const headers = { 'content-type': contentType }
  try {
    return await new Response(bytes, { headers }).formData()
  } catch (error) {
    throw refusal('a form that cannot be read', error)
  }
}

/**
 * Pairs the value with each part of its name that names ids, because a server may read `input[thread_id]` as
 * `thread_id`.
 */
async function judge(form: FormData): Promise<object[]> {
  const fields: object[] = []
  for (const [name, value] of form) {
    if (!FIELD_NAME.test(name))
      throw refusal(`a field whose name can be read in several ways: ${show(name)}`)
    const parts = name.split(BETWEEN_PARTS).filter((part) => part !== '')
    // Some servers drop the separators, and so read all parts as one name.
    const names = [...parts, parts.join('')]
    const text = await textOf(names, value)
    if (name.toLowerCase() === CHARSET_FIELD && !/^utf-?8$/i.test(text ?? '')) {
      throw refusal('a form in another charset than UTF-8')
    }
    if (text === undefined) continue
    const json = jsonIn(text, name)
    const ids = new Set(names.filter(isIdName))
    for (const part of ids) fields.push({ [part]: [text, json] })
    if (ids.size === 0) fields.push([json])
  }
  return fields
}

/**
 * The text of a field; undefined for a file. A page that sends JSON with its media type sends a `Blob`, which arrives
 * as a file and counts as text, unless the field has a usual name of files. So does JSON with another media type,
 * because the client chooses the type.
 */
async function textOf(names: readonly string[], value: string | File): Promise<string | undefined> {
  if (typeof value === 'string') return value
  // A server may read a file as the id that its field name suggests. `attachment` is a usual name for a file.
  if (names.some((part) => isIdName(part) && !FILE_NAME.test(part))) {
    throw refusal(`a file in the place of an id: ${showAll(names)}`)
  }
  if (ANY_FORM.test(value.type)) throw refusal('a form inside a form')
  if (NAME_IN_FILE_NAME.test(value.name)) {
    throw refusal(`the name of a field in the name of a file: ${show(value.name)}`)
  }
  // Servers read a part without a file name as text. Some leave out spaces (Python's `email`) and folders (aiohttp).
  const isNameless = /(?:^|[\\/])[\s\p{Cc}]*$/u.test(value.name) && value.size > 0
  if (!isNameless && names.some((part) => FILE_NAME.test(part))) return undefined
  if (OTHER_CHARSET.test(value.type))
    throw refusal(`a part in another charset: ${show(value.type)}`)
  if (isNameless) return value.text()
  // Only the beginning is decoded: 20 MB of a picture would take half a second.
  const beginning = await value.slice(0, 1024).text()
  return NEAR_JSON_BEGINS.test(beginning) ? value.text() : undefined
}

/**
 * The parsed value of a field that holds JSON, because servers parse it too; undefined for other text. Python's
 * `json.loads` takes bytes behind a byte order mark, and bytes in UTF-16.
 */
function jsonIn(value: string, name: string): unknown {
  const text = value.replaceAll('\0', '').replace(/^[\ufeff\ufffd]+/, '')
  if (!JSON_BEGINS.test(text)) {
    return jsonOrUndefined(text) === undefined ? refuseNearJson(text, name) : undefined
  }
  try {
    const json = parseStrictJson(text, MAX_DEPTH)
    return typeof json === 'string' ? [json, jsonIn(json, name)] : json
  } catch (error) {
    if (error instanceof NotJsonError) return refuseNearJson(text, name)
    throw refusal(`JSON that can be read in several ways, in the field ${show(name)}`, error)
  }
}

/**
 * Refuses text that is not JSON but has an id's name as a key, because lenient parsers read it: Python's accepts
 * `NaN`; .NET's accepts comments, single quotes and commas at the end.
 */
function refuseNearJson(text: string, name: string): undefined {
  if (!NEAR_JSON_BEGINS.test(text) || !text.includes('{')) return
  if (!NEAR_JSON_ID.test(text) && !NEAR_JSON_ID.test(text.replace(OTHER_ESCAPES, ''))) return
  throw refusal(`an id in a text that only some servers read as JSON, in the field ${show(name)}`)
}

function plainFields(form: FormData): URLSearchParams {
  const fields = new URLSearchParams()
  for (const [name, value] of form) if (typeof value === 'string') fields.append(name, value)
  return fields
}

function refusal(reason: string, cause?: unknown): ServiceError {
  return new ServiceError('invalid_request', { reason, cause })
}
