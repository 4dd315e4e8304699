import {
  type Attachment,
  type Page,
  Store,
  StoreNotFoundError,
  type ThreadItem,
  type ThreadMetadata,
} from 'chatkit-node-backend-sdk'

type Order = 'asc' | 'desc'

/** Everything in memory, and everybody's: like the stores of the official samples, it never asks who is asking. */
export class MemoryStore extends Store {
  readonly threads = new Map<string, ThreadMetadata>()
  readonly items = new Map<string, ThreadItem[]>()
  readonly attachments = new Map<string, Attachment>()

  async loadThread(threadId: string) {
    return { ...found(this.threads.get(threadId), threadId) }
  }
  async saveThread(thread: ThreadMetadata) {
    this.threads.set(thread.id, { ...thread })
  }
  async deleteThread(threadId: string) {
    this.threads.delete(threadId)
    this.items.delete(threadId)
  }
  async loadThreads(limit: number, after: string | null, order: Order) {
    return pageOf([...this.threads.values()], { limit, after, order })
  }
  async loadThreadItems(threadId: string, after: string | null, limit: number, order: Order) {
    return pageOf(this.items.get(threadId) ?? [], { limit, after, order })
  }
  async addThreadItem(threadId: string, item: ThreadItem) {
    this.items.set(threadId, [...(this.items.get(threadId) ?? []), item])
  }
  async saveItem(threadId: string, item: ThreadItem) {
    const items = this.items.get(threadId) ?? []
    const saved = items.map((one) => (one.id === item.id ? item : one))
    this.items.set(threadId, saved)
  }
  async loadItem(threadId: string, itemId: string) {
    const items = this.items.get(threadId) ?? []
    return found(
      items.find(({ id }) => id === itemId),
      itemId,
    )
  }
  async deleteThreadItem(threadId: string, itemId: string) {
    const items = this.items.get(threadId) ?? []
    this.items.set(
      threadId,
      items.filter(({ id }) => id !== itemId),
    )
  }
  async saveAttachment(attachment: Attachment) {
    this.attachments.set(attachment.id, attachment)
  }
  async loadAttachment(attachmentId: string) {
    return found(this.attachments.get(attachmentId), attachmentId)
  }
  async deleteAttachment(attachmentId: string) {
    this.attachments.delete(attachmentId)
  }
}

function found<T>(value: T | undefined, id: string): T {
  if (value === undefined) throw new StoreNotFoundError(`${id} not found`)
  return value
}

/** @param rows - oldest first */
function pageOf<T extends { readonly id: string }>(
  rows: readonly T[],
  { limit, after, order }: { limit: number; after: string | null; order: Order },
): Page<T> {
  const sorted = order === 'desc' ? rows.toReversed() : [...rows]
  const start = after === null ? 0 : sorted.findIndex(({ id }) => id === after) + 1
  const data = sorted.slice(start, start + limit)
  const more = start + limit < sorted.length
  return { data, has_more: more, after: more ? (data.at(-1)?.id ?? null) : null }
}
