// Finds the addresses of pictures in a frame that updates a widget, and replaces them. It does not parse the event,
// because one comes with each change of the widget. JSON that it might misread is left to the parser. Text that is not
// JSON may pass, because no client can read it. Fields that the protocol does not have are searched like the widget.

import type { FileField } from './file-fields.ts'

/** The address of a picture, and where it begins and ends, without the quotes around it. */
export interface WidgetAddress extends FileField {
  readonly from: number
  readonly to: number
}

/** The beginning of the frame in the form that servers usually write; {@link TAIL} is its end. */
const HEAD =
  /^data: ?\{"type": ?"thread\.item\.updated", ?"item_id": ?"[\w.:-]*", ?"update": ?\{"type": ?"widget\.root\.updated", ?"widget": ?\{/

/** An event that is cut off does not end like this. */
const TAIL = '}}}\n\n'

/**
 * Text that only the parser can check: threads and items; fields with addresses in another part of an event; further
 * lines; and escapes, because they allow many spellings of a name. Without escapes, each `"` begins or ends a string.
 */
const NEEDS_PARSER = String.raw`[\\\r\n]|"(?:thread|item)|"(?:update|widget|component|content|attachments|task|workflow|annotations?|sources|image|url|image_url|preview_url)"\s*:`

/** Not `(?i:…)`: V8 ignores it in some alternatives, once the process has compiled many expressions and optimizes none. */
const inAnyCase = (words: string) =>
  words.replace(/[a-z]/g, (letter) => `[${letter}${letter.toUpperCase()}]`)

/** Fields of the application's own data, which `fileFieldsOfEvent` leaves out too. */
const DATA = String.raw`((?<=${inAnyCase('action')})"\s*:|"(?:${inAnyCase('payload|data')})"\s*:)`

/** A field with an address; the second group is one `"` for an address that is not ASCII. */
const ADDRESS = String.raw`"(?:src|favicon)"\s*:\s*("(?:[ !#-\[\]-~]*")?)`

/** One search for all three takes a third of the time of three. */
const SEARCHED = new RegExp(`${NEEDS_PARSER}|${DATA}|${ADDRESS}`, 'g')

/**
 * @param frame - UTF-8, with a byte in each character
 * @returns all addresses of files in it, in their order; undefined when the event must be parsed to find them
 */
export function addressesOfWidget(frame: string): readonly WidgetAddress[] | undefined {
  const head = HEAD.exec(frame)?.[0]
  if (head === undefined || !frame.endsWith(TAIL)) return undefined
  const found: WidgetAddress[] = []
  const end = frame.length - '\n\n'.length
  let isBehindData = false
  SEARCHED.lastIndex = head.length
  for (let match = SEARCHED.exec(frame); match !== null; match = SEARCHED.exec(frame)) {
    const { index, 1: data, 2: string } = match
    if (data !== undefined) isBehindData = true
    else if (string === undefined) {
      // Text for the parser, or the line end after the last field.
      return index === end ? found : undefined
    } else {
      if (isBehindData || string === '"') return undefined
      const to = SEARCHED.lastIndex - 1
      const url = string.slice(1, -1)
      const from = to - url.length
      found.push({ holder: { url }, key: 'url', url, use: 'show', attachment: undefined, from, to })
    }
  }
  return undefined
}

/**
 * Writes the bytes into one buffer: joining texts took a fifth of the CPU time of all checks of a frame.
 *
 * @param frame - in whose bytes `addresses` were found
 * @param addresses - as they were found, with the new address in each one's holder, in ASCII
 * @returns undefined when an address was removed
 */
export function withAddresses(
  frame: Buffer,
  addresses: readonly WidgetAddress[],
): Buffer | undefined {
  let size = frame.length
  for (const { holder, key, from, to } of addresses) {
    const address = holder[key]
    if (typeof address !== 'string') return undefined
    size += address.length - (to - from)
  }
  const changed = Buffer.allocUnsafe(size)
  let read = 0
  let written = 0
  for (const { holder, key, from, to } of addresses) {
    written += frame.copy(changed, written, read, from)
    written += changed.write(String(holder[key]), written, 'latin1')
    read = to
  }
  frame.copy(changed, written, read)
  return changed
}
