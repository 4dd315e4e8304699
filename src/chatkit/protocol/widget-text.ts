// Finds the addresses of pictures in the text of an event that shows a widget anew, and writes others in their
// place. It does not parse the event, which comes with each change of a widget. JSON that it might misread is left to
// the parser; text that is no JSON may go on, since no client can read it. Fields that the protocol does not have are
// searched like the widget.

import type { FileField } from './file-fields.ts'

/** The address of a picture, and the indexes of its JSON string, quotes included. */
export interface WidgetAddress extends FileField {
  readonly from: number
  readonly to: number
}

/** The beginning of the event as servers write it; its end is {@link TAIL}. */
const HEAD =
  /^\{"type": ?"thread\.item\.updated", ?"item_id": ?"[\w.:-]*", ?"update": ?\{"type": ?"widget\.root\.updated", ?"widget": ?\{/

/** An event that breaks off lacks it. */
const TAIL = '}}}'

/**
 * Text with something else to check: threads and items; fields that hold addresses in another part of an event; and
 * escapes, with which a name can be written in many ways. Without them, each `"` begins or ends a string.
 */
const ELSE =
  /\\|"(?:thread|item)|"(?:update|widget|component|content|attachments|task|workflow|annotations?|sources|image|url|image_url|preview_url)"\s*:/g

/** A field of the application's own data, as `fileFieldsOfEvent` leaves it out. */
const APPLICATION_DATA = /action"\s*:|"(?:payload|data)"\s*:/i

const ADDRESS = /"(?:src|favicon)"\s*:\s*("([^"]*)")/g

/**
 * @param data - of an event in one line
 * @returns all addresses of files in it, in their order; undefined when it must be parsed to find them
 */
export function addressesOfWidget(data: string): readonly WidgetAddress[] | undefined {
  const head = HEAD.exec(data)?.[0]
  if (head === undefined || !data.endsWith(TAIL)) return undefined
  ELSE.lastIndex = head.length
  if (ELSE.test(data)) return undefined
  const found: WidgetAddress[] = []
  const dataFrom = data.search(APPLICATION_DATA)
  for (const { index, 0: match, 1: string = '', 2: url = '' } of data.matchAll(ADDRESS)) {
    if (dataFrom !== -1 && index > dataFrom) return undefined
    const to = index + match.length
    const field = { holder: { url }, key: 'url', url, use: 'show', attachment: undefined } as const
    found.push({ ...field, from: to - string.length, to })
  }
  return found
}

/**
 * @param data - in which `addresses` were found
 * @param addresses - with those in their holders that are to take their place
 * @returns undefined when one was removed
 */
export function withAddresses(
  data: string,
  addresses: readonly WidgetAddress[],
): string | undefined {
  let text = ''
  let written = 0
  for (const { holder, key, from, to } of addresses) {
    const address = holder[key]
    if (typeof address !== 'string') return undefined
    text += data.slice(written, from) + JSON.stringify(address)
    written = to
  }
  return text + data.slice(written)
}
