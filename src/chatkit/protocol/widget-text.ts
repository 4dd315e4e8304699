// Finds the addresses of pictures in the text of an event that updates a widget, and replaces them. It does not
// parse the event, because one comes with each change of the widget. JSON that it might misread is left to the
// parser. Text that is not JSON may pass, because no client can read it. Fields that the protocol does not have
// are searched like the widget.

import type { FileField } from './file-fields.ts'

/** The address of a picture, and where its JSON string begins and ends, quotes included. */
export interface WidgetAddress extends FileField {
  readonly from: number
  readonly to: number
}

/** The beginning of the event in the form that servers usually write; {@link TAIL} is its end. */
const HEAD =
  /^\{"type": ?"thread\.item\.updated", ?"item_id": ?"[\w.:-]*", ?"update": ?\{"type": ?"widget\.root\.updated", ?"widget": ?\{/

/** An event that is cut off does not end like this. */
const TAIL = '}}}'

/**
 * Text that only the parser can check: threads and items; fields with addresses in another part of an event;
 * and escapes, because they allow many spellings of a name. Without escapes, each `"` begins or ends a string.
 */
const ELSE =
  /\\|"(?:thread|item)|"(?:update|widget|component|content|attachments|task|workflow|annotations?|sources|image|url|image_url|preview_url)"\s*:/g

/** Fields of the application's own data, which `fileFieldsOfEvent` leaves out too. */
const APPLICATION_DATA = /action"\s*:|"(?:payload|data)"\s*:/i

const ADDRESS = /"(?:src|favicon)"\s*:\s*("([^"]*)")/g

/**
 * @param data - the data of an event, in one line
 * @returns all addresses of files in it, in their order; undefined when the event must be parsed to find them
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
 * @param data - the data in which `addresses` were found
 * @param addresses - as they were found, with the new address in each one's holder
 * @returns undefined when an address was removed
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
