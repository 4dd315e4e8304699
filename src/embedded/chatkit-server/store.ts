// Threads, items and attachments of the sample server, in memory.

import { randomBytes } from 'node:crypto'
import type {
  KnownServerItem,
  ServerAttachment,
  ServerItem,
} from '../../chatkit/protocol/thread.ts'
import { ApiError } from '../../http/backend/api-error.ts'
import type { Clock } from '../../lib/clock.ts'

/** A thread in memory. It has no user, because the protocol does not name one, and this server identifies nobody. */
export interface SampleThread {
  readonly id: string
  /** ISO 8601. */
  readonly created_at: string
  title: string | null
  readonly status: { readonly type: 'active' }
  /** Oldest first. */
  readonly items: ServerItem[]
}

/** An attachment in memory; `bytes` is undefined until they have been uploaded. */
export interface SampleAttachment {
  readonly id: string
  readonly name: string
  readonly mime_type: string
  bytes: Uint8Array | undefined
}

type MadeUp = 'id' | 'thread_id' | 'created_at'
type NamedFields<Item> = {
  [K in keyof Item as string extends K ? never : K extends MadeUp ? never : K]: Item[K]
}
type WithoutMadeUp<Item> = Item extends KnownServerItem ? NamedFields<Item> : never
/** An item without the fields that the store makes: id, thread and time. */
export type NewItem = WithoutMadeUp<KnownServerItem>

/** Ids as the common server SDK makes them: 32 random bits, which can be guessed. */
const ID_BYTES = 4
const PREFIXES: Readonly<Record<NewItem['type'], string>> = {
  user_message: 'msg',
  assistant_message: 'msg',
  widget: 'wdg',
  client_tool_call: 'tc',
  task: 'tsk',
  workflow: 'wf',
  structured_input: 'si',
}

export type SampleStore = ReturnType<typeof createSampleStore>

/**
 * Everything is gone when the server ends. Every call that takes an id throws `ApiError` 404 when nothing has it.
 *
 * @param now - the clock of `created_at`
 */
export function createSampleStore(now: Clock) {
  const threads = new Map<string, SampleThread>()
  const attachments = new Map<string, SampleAttachment>()
  const time = () => new Date(now()).toISOString()

  const item = (thread: SampleThread, id: string): ServerItem => {
    return found(
      thread.items.find((one) => one.id === id),
      'item',
      id,
    )
  }

  return {
    createThread(): SampleThread {
      const id = freeId('thr', threads)
      const thread: SampleThread = {
        id,
        created_at: time(),
        title: null,
        status: { type: 'active' },
        items: [],
      }
      threads.set(id, thread)
      return thread
    },
    thread: (id: string): SampleThread => found(threads.get(id), 'thread', id),
    /** Everyone's threads, oldest first. */
    threads: (): readonly SampleThread[] => [...threads.values()],
    deleteThread(id: string): void {
      found(threads.get(id), 'thread', id)
      threads.delete(id)
    },
    /** Makes an item with id and time; it is not in its thread yet. */
    newItem(thread: SampleThread, parts: NewItem): ServerItem {
      const id = newId(PREFIXES[parts.type])
      return { ...parts, id, thread_id: thread.id, created_at: time() }
    },
    item,
    /** Adds an item to its thread, or replaces the one with its id. */
    save({ items }: SampleThread, saved: ServerItem): void {
      const at = items.findIndex((one) => one.id === saved.id)
      if (at < 0) items.push(saved)
      else items[at] = saved
    },
    /** @returns ids of the removed items, oldest first */
    removeAfter(thread: SampleThread, itemId: string): readonly string[] {
      const at = thread.items.indexOf(item(thread, itemId))
      return thread.items.splice(at + 1).map(({ id }) => id)
    },
    createAttachment(parts: Omit<SampleAttachment, 'id'>): SampleAttachment {
      const attachment = { ...parts, id: freeId('atc', attachments) }
      attachments.set(attachment.id, attachment)
      return attachment
    },
    attachment: (id: string): SampleAttachment => found(attachments.get(id), 'attachment', id),
    deleteAttachment(id: string): void {
      found(attachments.get(id), 'attachment', id)
      attachments.delete(id)
    },
  }
}

/**
 * An attachment in the protocol's shape. Before its upload it has the address for the bytes, in the old form
 * (`upload_url`, `POST` of a form) and in the new one (`upload_descriptor`, `PUT` of the bytes).
 *
 * @param origin - of this server, `http://127.0.0.1:8790`
 */
export function asAttachment(attachment: SampleAttachment, origin: string): ServerAttachment {
  const { id, name, mime_type, bytes } = attachment
  const url = `${origin}/upload/${id}`
  const image = mime_type.startsWith('image/')
  const upload = { url, method: 'PUT', headers: { 'content-type': mime_type } }
  return {
    id,
    name,
    mime_type,
    ...(image ? { type: 'image', preview_url: url } : { type: 'file' }),
    ...(bytes === undefined && { upload_url: url, upload_descriptor: upload }),
  }
}

function found<T>(value: T | undefined, what: string, id: string): T {
  if (value === undefined) throw new ApiError(404, `No ${what} found with id '${id}'.`)
  return value
}

function newId(prefix: string): string {
  return `${prefix}_${randomBytes(ID_BYTES).toString('hex')}`
}

function freeId(prefix: string, taken: ReadonlyMap<string, unknown>): string {
  let id = newId(prefix)
  while (taken.has(id)) id = newId(prefix)
  return id
}
