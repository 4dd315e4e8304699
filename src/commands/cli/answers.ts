// Prints sessions, threads and items as tables for people, or unchanged as JSON with `--json`.

import { z } from 'zod'
import type { ThreadItem } from '../../chatkit/wire/item.ts'
import type { Thread } from '../../chatkit/wire/thread.ts'
import type { Io } from './io.ts'
import { print, printFields, printJson, printTable, remark, time } from './output.ts'
import type { PageSeen } from './pages.ts'

/** The fields of the service's `session` that a table shows. */
export const serviceSession = z.looseObject({
  id: z.string(),
  user: z.string(),
  workflow: z.string(),
  status: z.string(),
  created_at: z.number(),
  expires_at: z.number(),
})
export type ServiceSession = z.infer<typeof serviceSession>

/** Prints one object: as JSON, or each field on a line of its own, with dotted names for nested ones. */
export async function printObject(io: Io, answer: object, json: boolean): Promise<void> {
  if (json) await printJson(io, answer)
  else await printFields(io, fieldsOf(answer))
}

/** Prints threads as a table. */
export async function printThreads(io: Io, page: PageSeen<Thread>): Promise<void> {
  const head = ['id', 'created', 'status', 'user', 'title']
  const row = (one: Thread) => [one.id, time(one.created_at), one.status.type, one.user, one.title]
  await printPage(io, page, { what: 'threads', head, row })
}

/** Prints items as a table. Their text is cut; `--json` has all of it. */
export async function printItems(io: Io, page: PageSeen<ThreadItem>): Promise<void> {
  const head = ['id', 'created', 'type', 'what it says']
  const row = (one: ThreadItem) => [
    one.id,
    time('created_at' in one ? one.created_at : undefined),
    String(one['type'] ?? '').replace(/^chatkit\./, ''),
    cut(textOf(one)),
  ]
  await printPage(io, page, { what: 'items', head, row })
}

/** Prints the service's sessions as a table. */
export async function printSessions(io: Io, page: PageSeen<ServiceSession>): Promise<void> {
  const head = ['id', 'user', 'workflow', 'status', 'created', 'expires']
  const row = (one: ServiceSession) => [
    one.id,
    one.user,
    one.workflow,
    one.status,
    time(one.created_at),
    time(one.expires_at),
  ]
  await printPage(io, page, { what: 'sessions', head, row })
}

/** Prints a page as a table, and how to get the next one; a sentence when it is empty. */
export async function printPage<T>(
  io: Io,
  page: PageSeen<T>,
  table: {
    /** The things in the list, in the plural: `sessions`. */
    readonly what: string
    readonly head: readonly string[]
    readonly row: (one: T) => readonly unknown[]
  },
): Promise<void> {
  if (page.data.length > 0) await printTable(io, table.head, page.data.map(table.row))
  else if (!page.has_more) await print(io, `There are no ${table.what} here.`)
  if (!page.has_more) return
  remark(io, page.last_id === null ? 'there are more' : `there are more: --after ${page.last_id}`)
}

function fieldsOf(answer: object, prefix = ''): (readonly [string, unknown])[] {
  return Object.entries(answer).flatMap(([name, value]) => {
    const path = prefix + name
    if (value !== null && typeof value === 'object' && !Array.isArray(value)) {
      return fieldsOf(value, `${path}.`)
    }
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
