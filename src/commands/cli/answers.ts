// Prints objects and lists as tables for people, or unchanged as JSON with `--json`.

import type { ListQuery } from '../../chatkit/wire/wire.ts'
import { isObject } from '../../lib/json.ts'
import { printable, shellWord } from '../../lib/printable.ts'
import type { Io } from './io.ts'
import { print, printFields, printJson, printTable, remark, time } from './output.ts'
import { type ListFlags, type PageSeen, readList } from './pages.ts'

/** Prints one object: with `--json` unchanged, else each field on a line of its own, with dotted names for nested ones. */
export async function printObject(
  io: Io,
  { json }: { readonly json?: boolean },
  answer: object,
): Promise<void> {
  if (json) await printJson(io, answer)
  else await printFields(io, fieldsOf(answer))
}

/** A list, and how a table shows it. */
interface List<T> {
  /** The things in the list, in the plural: `sessions`. */
  readonly what: string
  readonly head: readonly string[]
  readonly row: (one: T) => readonly unknown[]
  readonly fetch: (query: ListQuery) => Promise<PageSeen<T>>
}

/**
 * Reads what the flags ask for, and prints it as a table, and how to get the next page; a sentence when it is empty.
 * With `--json`, prints it unchanged.
 */
export async function printList<T>(
  io: Io,
  { json = false, ...flags }: ListFlags & { readonly json?: boolean },
  { what, head, row, fetch }: List<T>,
): Promise<void> {
  const page = await readList(flags, fetch)
  if (json) return await printJson(io, page)
  if (page.data.length > 0) await printTable(io, head, page.data.map(row))
  else if (!page.has_more) await print(io, `There are no ${what} here.`)
  if (!page.has_more) return
  const { last_id: last } = page
  const next = last === null ? '' : `: --after ${quoted(printable(last))}`
  remark(io, `there are more${next}`)
}

/** For a shell, in which the `|` of many users would begin another command. */
function quoted(word: string): string {
  return /^[\w.:@/+-]+$/.test(word) ? word : shellWord(word)
}

function fieldsOf(answer: object, prefix = ''): (readonly [string, unknown])[] {
  return Object.entries(answer).flatMap(([name, value]) => {
    const path = prefix + name
    if (isObject(value)) return fieldsOf(value, `${path}.`)
    const isTime = typeof value === 'number' && /_(?:at|until)$/.test(name)
    return [[path, isTime ? `${value} (${time(value)})` : value] as const]
  })
}
