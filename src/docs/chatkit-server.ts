// A small ChatKit server in Node, for the guide: it keeps chats in memory, has no model, and answers for the user
// alone whom the gateway's token names. Copy this file and verify-chatkit-token.ts.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { buffer } from 'node:stream/consumers'
import {
  type Attachment,
  ChatKitServer,
  type Page,
  Store,
  StoreNotFoundError,
  type ThreadItem,
  type ThreadMetadata,
  type ThreadStreamEvent,
  type UserMessageItem,
} from 'chatkit-node-backend-sdk'
import { type ChatKitContext, createVerifier, type Expected } from './verify-chatkit-token.ts'

type Order = 'asc' | 'desc'

interface Chat {
  readonly owner: string
  thread: ThreadMetadata
  items: ThreadItem[]
}

/** Replace it by your database. Every method asks whose the thread is. */
class MemoryStore extends Store<ChatKitContext> {
  private readonly chats = new Map<string, Chat>()

  private chat(id: string, { user }: ChatKitContext): Chat {
    const chat = this.chats.get(id)
    if (chat?.owner !== user) throw new StoreNotFoundError(`There is no thread ${id}.`)
    return chat
  }
  async loadThread(id: string, context: ChatKitContext) {
    return { ...this.chat(id, context).thread }
  }
  async saveThread(thread: ThreadMetadata, context: ChatKitContext) {
    if (this.chats.has(thread.id)) this.chat(thread.id, context).thread = { ...thread }
    else this.chats.set(thread.id, { owner: context.user, thread: { ...thread }, items: [] })
  }
  async deleteThread(id: string, context: ChatKitContext) {
    this.chat(id, context)
    this.chats.delete(id)
  }
  async loadThreads(limit: number, after: string | null, order: Order, { user }: ChatKitContext) {
    const own = [...this.chats.values()].filter(({ owner }) => owner === user)
    return pageOf(
      own.map(({ thread }) => thread),
      { limit, after, order },
    )
  }
  async loadThreadItems(...args: Parameters<Store<ChatKitContext>['loadThreadItems']>) {
    const [id, after, limit, order, context] = args
    return pageOf(this.chat(id, context).items, { limit, after, order })
  }
  async addThreadItem(id: string, item: ThreadItem, context: ChatKitContext) {
    this.chat(id, context).items.push(item)
  }
  async saveItem(id: string, item: ThreadItem, context: ChatKitContext) {
    const chat = this.chat(id, context)
    chat.items = chat.items.map((one) => (one.id === item.id ? item : one))
  }
  async loadItem(id: string, itemId: string, context: ChatKitContext) {
    const item = this.chat(id, context).items.find((one) => one.id === itemId)
    if (item === undefined) throw new StoreNotFoundError(`There is no item ${itemId}.`)
    return item
  }
  async deleteThreadItem(id: string, itemId: string, context: ChatKitContext) {
    const chat = this.chat(id, context)
    chat.items = chat.items.filter((one) => one.id !== itemId)
  }
  async saveAttachment() {
    throw new StoreNotFoundError('This server takes no attachments.')
  }
  async loadAttachment(): Promise<Attachment> {
    throw new StoreNotFoundError('This server has no attachments.')
  }
  async deleteAttachment() {}
}

/** @param rows - oldest first */
function pageOf<T extends { readonly id: string }>(
  rows: readonly T[],
  { limit, after, order }: { limit: number; after: string | null; order: Order },
): Page<T> {
  const sorted = order === 'desc' ? rows.toReversed() : rows
  const start = after === null ? 0 : sorted.findIndex(({ id }) => id === after) + 1
  const data = sorted.slice(start, start + limit)
  const more = start + limit < sorted.length
  return { data, has_more: more, after: (more && data.at(-1)?.id) || null }
}

/** Replace its answer by a run of your model. */
class Assistant extends ChatKitServer<ChatKitContext> {
  async *respond(
    thread: ThreadMetadata,
    message: UserMessageItem | null,
    context: ChatKitContext,
  ): AsyncGenerator<ThreadStreamEvent> {
    const said = message?.content.map((part) => part.text).join('') ?? ''
    const content = [{ type: 'output_text' as const, text: `You said: ${said}`, annotations: [] }]
    const id = this.store.generateItemId('message', thread, context)
    const created_at = new Date().toISOString()
    const item = { type: 'assistant_message' as const, id, thread_id: thread.id, created_at }
    yield { type: 'thread.item.done', item: { ...item, content } }
    thread.title ??= said.slice(0, 40)
  }
}

/** One line, without the token. jose's message may repeat a name from the token's header, hence the quotes. */
function refusal(
  error: unknown,
  { issuer, audience, keysUrl = '.well-known/jwks.json' }: Expected,
): string {
  const { message, cause } = error instanceof Error ? error : new Error(String(error))
  const why = JSON.stringify(cause instanceof Error ? `${message}: ${cause.message}` : message)
  return `401, the token was refused: ${why} (issuer ${issuer} with its keys at ${keysUrl}, audience ${audience})\n`
}

/** @returns the server, which the caller lets listen */
export function createChatServer(options: Expected) {
  const whoAsks = createVerifier(options)
  const assistant = new Assistant(new MemoryStore())

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const context = await whoAsks(request.headers.authorization).catch((error: unknown) => {
      process.stderr.write(refusal(error, options))
    })
    if (context === undefined) return void response.writeHead(401).end()
    const result = await assistant.process(await buffer(request), context)
    if (!result.isStreaming) {
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(result))
      return
    }
    const events = result[Symbol.asyncIterator]()
    // A thread that is not there shows at the first event, when a 404 can still be sent.
    let next = await events.next()
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    for (; !next.done && !response.destroyed; next = await events.next()) response.write(next.value)
    response.end()
  }

  return createServer((request, response) => {
    answer(request, response).catch((error: unknown) => {
      if (response.headersSent) response.destroy()
      else response.writeHead(error instanceof StoreNotFoundError ? 404 : 500).end()
    })
  })
}
