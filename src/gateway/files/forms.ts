// Checks the forms of uploads: reads each field as the most lenient server would, and writes the form anew from
// these fields, so that no server can find anything in it that was not checked.

import { randomUUID } from 'node:crypto'
import { setImmediate as turn } from 'node:timers/promises'
import { MIMEType } from 'node:util'
import { idsOf, isIdName, type RequestIds } from '../../chatkit/protocol/ids.ts'
import { ServiceError } from '../../lib/errors.ts'
import { FORM_TYPE } from '../../lib/header-patterns.ts'
import { show, showAll } from '../../lib/show.ts'
import { jsonIn, NEAR_JSON_BEGINS, refusal } from './near-json.ts'

/** Media type of a form with files. */
export const MULTIPART_TYPE = /^multipart\/form-data *;/i
const PLAIN_TYPE = 'application/x-www-form-urlencoded;charset=UTF-8'
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
/** Most fields of a form, because the parser needs seconds for a hundred thousand. */
const MOST_FIELDS = 100
/** Most bytes of a part's head, and of a form without parts: the parser needs seconds for ten megabytes of them. */
const MOST_HEAD = 8 * 1024
const MOST_PLAIN = 256 * 1024
/**
 * Most different ids, far more than a request may name. Of a million in 10 MB, the Sets and lists would take 200 MB, and
 * stop the process for a while.
 */
const MOST_IDS = 1000

/**
 * @returns the form, written anew for the server, and all ids in its fields; undefined when the body is no form
 * @throws `unsupported_media_type` for a form of another kind; `invalid_request` when it cannot be read,
 * or has a field that servers may read in several ways
 */
export async function judgeForm(contentType: string, bytes: Uint8Array<ArrayBuffer>) {
  const isPlain = FORM_TYPE.test(contentType)
  if (!isPlain && !MULTIPART_TYPE.test(contentType)) {
    if (!ANY_FORM.test(contentType)) return undefined
    throw new ServiceError('unsupported_media_type', { reason: 'a form of an unusual kind' })
  }
  if (isPlain && bytes.length > MOST_PLAIN) {
    throw new ServiceError('body_too_large', {
      reason: `a form without parts of more than ${MOST_PLAIN} bytes`,
      detail: 'A form as large as this one must be sent as multipart/form-data.',
    })
  }
  checkParts(bytes, isPlain ? '&' : separatorOf(contentType), isPlain)
  const form = await readForm(contentType, bytes)
  const ids = await idsIn(form)
  const boundary = randomUUID()
  const written = isPlain ? new Blob([String(plainFields(form))]) : inParts(form, boundary)
  return {
    ids,
    bytes: new Uint8Array(await written.arrayBuffer()),
    contentType: isPlain ? PLAIN_TYPE : `multipart/form-data; boundary=${boundary}`,
  }
}

/** The form in parts (RFC 7578 §4.2). What `Response` does to line ends takes seconds for millions of them. */
function inParts(form: FormData, boundary: string): Blob {
  const parts: (string | File)[] = []
  for (const [name, value] of form) {
    const head = `--${boundary}\r\nContent-Disposition: form-data; name="${name}"`
    if (typeof value === 'string') parts.push(`${head}\r\n\r\n`, value, '\r\n')
    else {
      const file = `filename="${value.name.replace(/["\r\n]/g, encodeURIComponent)}"`
      const type = value.type || 'application/octet-stream'
      parts.push(`${head}; ${file}\r\nContent-Type: ${type}\r\n\r\n`, value, '\r\n')
    }
  }
  return new Blob([...parts, `--${boundary}--\r\n`])
}

/** The text before each part (RFC 2046 §5.1.1). */
function separatorOf(contentType: string): string {
  const boundary = new MIMEType(contentType).params.get('boundary')
  if (boundary === null) throw refusal('a form without a boundary')
  return `--${boundary}`
}

/** @throws `invalid_request` for too many fields, or a part with too long a head */
function checkParts(bytes: Uint8Array, separator: string, isPlain: boolean): void {
  const body = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const { length } = separator
  // A form in parts has one separator more than parts.
  let left = MOST_FIELDS + 1
  for (let at = body.indexOf(separator, 0, 'latin1'); at !== -1; left--) {
    if (left === 0) throw refusal(`a form of more than ${MOST_FIELDS} fields`)
    const head = body.subarray(at, at + MOST_HEAD)
    if (!isPlain && head.length === MOST_HEAD && !head.includes('\r\n\r\n')) {
      throw refusal(`a part with a head of more than ${MOST_HEAD} bytes`)
    }
    at = body.indexOf(separator, at + length, 'latin1')
  }
}

async function readForm(contentType: string, bytes: Uint8Array<ArrayBuffer>): Promise<FormData> {
  const headers = { 'content-type': contentType }
  try {
    return await new Response(bytes, { headers }).formData()
  } catch (error) {
    throw refusal('a form that cannot be read', error)
  }
}

/** Judges the fields one by one, each in a turn of its own, because each can hold a hundred thousand values. */
async function idsIn(form: FormData): Promise<RequestIds> {
  const threads = new Set<string>()
  const attachments = new Set<string>()
  for (const [name, value] of form) {
    const fields = await judge(name, value)
    const found = idsOf({ known: false, request: { type: 'upload', params: { fields } } })
    for (const id of found.threads) threads.add(id)
    for (const id of found.attachments) attachments.add(id)
    if (threads.size + attachments.size > MOST_IDS) throw refusal('a form that names too many ids')
    await turn()
  }
  const none = { threads: [], attachments: [] }
  const all = { threads: [...threads], attachments: [...attachments], items: [] }
  return { ...all, mentioned: none, otherSpelling: undefined }
}

/**
 * Pairs the value with each part of its name that names ids, because a server may read `input[thread_id]` as
 * `thread_id`.
 */
async function judge(name: string, value: string | File): Promise<object[]> {
  if (!FIELD_NAME.test(name))
    throw refusal(`a field whose name can be read in several ways: ${show(name)}`)
  const parts = name.split(BETWEEN_PARTS).filter((part) => part !== '')
  // Some servers drop the separators, and so read all parts as one name.
  const names = [...parts, parts.join('')]
  const text = await textOf(names, value)
  if (name.toLowerCase() === CHARSET_FIELD && !/^utf-?8$/i.test(text ?? '')) {
    throw refusal('a form in another charset than UTF-8')
  }
  if (text === undefined) return []
  const json = await jsonIn(text, name)
  const ids = new Set(names.filter(isIdName))
  return ids.size === 0 ? [[json]] : [...ids].map((part) => ({ [part]: [text, json] }))
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

function plainFields(form: FormData): URLSearchParams {
  const fields = new URLSearchParams()
  for (const [name, value] of form) if (typeof value === 'string') fields.append(name, value)
  return fields
}
