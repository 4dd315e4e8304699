// Prints sessions, threads and items as tables for people, or unchanged as JSON with `--json`.

import { z } from 'zod'
import type { ThreadItem } from '../../chatkit/wire/item.ts'
import type { Thread } from '../../chatkit/wire/thread.ts'
import type { ListQuery } from '../../chatkit/wire/wire.ts'
import { isObject } from '../../lib/json.ts'
import { printable, shellWord } from '../../lib/printable.ts'
import type { Io } from './io.ts'
import { print, printFields, printJson, printTable, remark, time } from './output.ts'
import { type ListFlags, type PageSeen, readList } from './pages.ts'

/** The fields of the service's `session` that a table shows. */
export const serviceSession = z.looseObject({
  id: z.string(),
  user: z.string(),
  workflow: z.string(),
  status: z.string(),
  created_at: z.number(),
  expires_at: z.number(),
})

/** Prints one object: with `--json` unchanged, else each field on a line of its own, with dotted names for nested ones. */
export async function printObject(
  io: Io,
  { json }: { readonly json?: boolean },
  answer: object,
): Promise<void> {
  if (json) await printJson(io, answer)
  else await printFields(io, fieldsOf(answer))
}

/** How a table shows a list. */
export interface ListTable<T> {
  /** The things in the list, in the plural: `sessions`. */
  readonly what: string
  readonly head: readonly string[]
  readonly row: (one: T) => readonly unknown[]
}

export const THREADS: ListTable<Thread> = {
  what: 'threads',
  head: ['id', 'created', 'status', 'user', 'title'],
  row: (one) => [one.id, time(one.created_at), one.status.type, one.user, one.title],
}

/** The text of an item is cut; `--json` has all of it. */
export const ITEMS: ListTable<ThreadItem> = {
  what: 'items',
  head: ['id', 'created', 'type', 'what it says'],
  row: (one) => [
    one.id,
    time('created_at' in one ? one.created_at : undefined),
    String(one['type'] ?? '').replace(/^chatkit\./, ''),
    cut(textOf(one)),
  ],
}

interface List<T> extends ListTable<T> {
  readonly fetch: (query: ListQuery) => Promise<PageSeen<T>>
}

/**
 * Reads what the flags ask for, and prints it as a table, and how to get the next page; a sentence when it is empty.
 * With `--json`, prints it unchanged.
 */
export async function printList<T>(
  io: Io,
  { json = false, ...flags }: ListFlags & { readonly json?: boolean },
  { fetch, ...table }: List<T>,
): Promise<void> {
  const page = await readList(flags, fetch)
  if (json) return await printJson(io, page)
  if (page.data.length > 0) await printTable(io, table.head, page.data.map(table.row))
  else if (!page.has_more) await print(io, `There are no ${table.what} here.`)
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

const MOST_CHARACTERS = 80

function cut(text: string): string {
  const characters = [...text]
  if (characters.length <= MOST_CHARACTERS) return text
  return `${characters.slice(0, MOST_CHARACTERS - 1).join('')}…`
}

/** Fields that hold the text of any kind of item, in the order of reading. */
const TEXTS = ['name', 'arguments', 'heading', 'summary', 'text', 'widget', 'output'] as const
const LISTS = ['content', 'tasks'] as const

function textOf(item: Readonly<Record<string, unknown>>): string {
  const own = TEXTS.map((name) => item[name]).filter((value) => typeof value === 'string')
  const parts = LISTS.flatMap((name) => item[name] ?? []).flatMap((part) =>
    typeof part === 'object' ? textOf({ ...part }) : [],
  )
  return [...own, ...parts].filter((text) => text !== '').join(' · ')
}
