// Finds the addresses of files in a server's answer, in the fields of attachments, pictures and widgets that
// the protocol has for them, and the domains from which a thread may show pictures. It does not search text or the
// application's own data.

import { isObject } from '../../lib/json.ts'

/** A field of an answer that holds the address of a file. */
export interface FileField {
  readonly holder: Record<string, unknown>
  readonly key: string
  readonly url: string
  /**
   * `upload`: bytes are sent there; `show`: the page loads it; `cite`: a source that a person may open; `allow`: no
   * address, but a domain in the list `holder[key]`, from which the page may load pictures.
   */
  readonly use: 'upload' | 'show' | 'cite' | 'allow'
  /** The attachment that the file belongs to. */
  readonly attachment: string | undefined
  /** Headers that the server asks for with the upload. */
  readonly headers?: Readonly<Record<string, string>> | undefined
}

type Node = Record<string, unknown>

const HEADER_NAME = /^[a-z][\w-]*$/i
const HEADER_VALUE = /^[\x20-\x7e]*$/
/** Headers that are HTTP's own, or tell the server who asks and for whom: this service sets them. */
const TAKEN_HEADERS =
  /^(?:authorization|cookie|host|origin|referer|user-agent|connection|keep-alive|te|trailer|transfer-encoding|upgrade|expect|via|forwarded|x-real-ip|x-request-id|accept|(?:accept|content|proxy|sec|x-forwarded|x-chatkit)-.*)$/i
/** Most characters of the headers as JSON: the link holds them, and must fit into a request line. */
const MAX_HEADERS_CHARACTERS = 1024

/** Fields of a picture, or of a part of a message that is a picture, that hold an address. */
const PICTURE_KEYS = ['url', 'image_url', 'preview_url', 'src'] as const
/** Fields of a widget's component that hold the address of a picture. */
const COMPONENT_KEYS = ['src', 'favicon'] as const
/** Fields of a widget that hold the application's own data, which it must get back unchanged. */
const APPLICATION_DATA = /action$|^payload$|^data$/i

/** Events that can hold the address of a file; others are not searched. */
const EVENTS_WITH_FILES: readonly string[] = [
  'thread.created',
  'thread.updated',
  'thread.item.added',
  'thread.item.updated',
  'thread.item.done',
  'thread.item.replaced',
]

export function fileFieldsOfEvent(event: { readonly type: string }): readonly FileField[] {
  const found: FileField[] = []
  if (!EVENTS_WITH_FILES.includes(event.type)) return found
  const { thread, item, update } = event as Node
  lookAtThread(thread, found)
  lookAtItem(item, found)
  lookAtItem(update, found)
  return found
}

/** @param json - an answer: a thread, a page of threads or of items, an attachment, a changed item */
export function fileFieldsOfAnswer(json: unknown): readonly FileField[] {
  const found: FileField[] = []
  if (!isObject(json)) return found
  lookAtAttachment(json, found)
  lookAtThread(json, found)
  lookAtItem(json['updated_item'], found)
  for (const entry of listIn(json['data'])) {
    lookAtThread(entry, found)
    lookAtItem(entry, found)
  }
  return found
}

function lookAtThread(thread: unknown, found: FileField[]): void {
  if (!isObject(thread)) return
  const { items } = thread
  const key = 'allowed_image_domains'
  for (const url of listIn(thread[key])) {
    if (typeof url !== 'string') continue
    found.push({ holder: thread, key, url, use: 'allow', attachment: undefined })
  }
  for (const item of listIn(isObject(items) ? items['data'] : items)) lookAtItem(item, found)
}

/** Searches an item, or an update of one: an update names a field as the item does. */
function lookAtItem(item: unknown, found: FileField[]): void {
  if (!isObject(item)) return
  for (const attachment of listIn(item['attachments'])) lookAtAttachment(attachment, found)
  const { content, widget, component, task, workflow, annotation } = item
  for (const part of [content, ...listIn(content)]) lookAtPart(part, found)
  lookAtPart(item, found)
  lookAtWidget(widget, found)
  lookAtWidget(component, found)
  lookAtPart(task, found)
  for (const one of isObject(workflow) ? listIn(workflow['tasks']) : []) lookAtPart(one, found)
  if (isObject(annotation)) lookAtSource(annotation['source'], found)
}

function lookAtAttachment(attachment: unknown, found: FileField[]): void {
  if (!isObject(attachment)) return
  const id = typeof attachment['id'] === 'string' ? attachment['id'] : undefined
  take(found, { holder: attachment, key: 'upload_url', use: 'upload', attachment: id })
  take(found, { holder: attachment, key: 'preview_url', use: 'show', attachment: id })
  const descriptor = attachment['upload_descriptor']
  if (!isObject(descriptor)) return
  const headers = uploadHeaders(descriptor['headers'])
  take(found, { holder: descriptor, key: 'url', use: 'upload', attachment: id, headers })
}

/**
 * @param asked - `headers` of an upload descriptor
 * @returns those that a server may ask for: names in lower case; undefined when there are none, or too many to
 * fit into a link
 */
export function uploadHeaders(asked: unknown): Readonly<Record<string, string>> | undefined {
  if (!isObject(asked)) return undefined
  const headers: Record<string, string> = {}
  for (const [name, value] of Object.entries(asked)) {
    const isFree = HEADER_NAME.test(name) && !TAKEN_HEADERS.test(name)
    if (isFree && typeof value === 'string' && HEADER_VALUE.test(value)) {
      headers[name.toLowerCase()] = value
    }
  }
  const { length } = JSON.stringify(headers)
  return length > '{}'.length && length <= MAX_HEADERS_CHARACTERS ? headers : undefined
}

/**
 * Searches a part of a message, a task or an item: the part itself if it is a picture, its picture, and its sources.
 */
function lookAtPart(part: unknown, found: FileField[]): void {
  if (!isObject(part)) return
  const { type, image, annotations, sources } = part
  if (typeof type === 'string' && type.endsWith('image')) lookAtPicture(part, found)
  lookAtPicture(image, found)
  take(found, { holder: part, key: 'image', use: 'show', attachment: undefined })
  for (const one of listIn(annotations)) if (isObject(one)) lookAtSource(one['source'], found)
  for (const source of listIn(sources)) lookAtSource(source, found)
}

function lookAtPicture(picture: unknown, found: FileField[]): void {
  if (!isObject(picture)) return
  for (const key of PICTURE_KEYS) {
    const value = picture[key]
    const [holder, name] = isObject(value) ? [value, 'url'] : [picture, key]
    take(found, { holder, key: name, use: 'show', attachment: undefined })
  }
}

function lookAtSource(source: unknown, found: FileField[]): void {
  if (!isObject(source)) return
  take(found, { holder: source, key: 'url', use: 'cite', attachment: undefined })
}

/** Searches without recursion: a server could nest components deeper than the stack allows. */
function lookAtWidget(widget: unknown, found: FileField[]): void {
  const open: unknown[] = [widget]
  while (open.length > 0) {
    const node = open.pop()
    if (Array.isArray(node)) for (const child of node) open.push(child)
    else if (isObject(node)) {
      for (const key of COMPONENT_KEYS) {
        take(found, { holder: node, key, use: 'show', attachment: undefined })
      }
      for (const [key, child] of Object.entries(node)) {
        if (typeof child === 'object' && !APPLICATION_DATA.test(key)) open.push(child)
      }
    }
  }
}

function take(found: FileField[], field: Omit<FileField, 'url'>): void {
  const url = field.holder[field.key]
  if (typeof url === 'string') found.push({ ...field, url })
}

/** Servers in PHP write a list with gaps as an object with numbers as names. */
function listIn(value: unknown): readonly unknown[] {
  return typeof value === 'object' && value !== null ? Object.values(value) : []
}
