import type { IncomingMessage, ServerResponse } from 'node:http'
import { buffer } from 'node:stream/consumers'
import {
  type Attachment,
  type AttachmentCreateParams,
  AttachmentStore,
} from 'chatkit-node-backend-sdk'
import { serve } from '../network/listen.ts'
import { Assistant, type Caller } from './assistant.ts'
import { MemoryStore } from './store.ts'

const SILENT = { info() {}, warn() {}, error() {}, debug() {} }

/**
 * A ChatKit server as people write one with `chatkit-node-backend-sdk`: one endpoint, both ways of uploads, files for
 * everybody. What its store does not have is a 500, as its `NotFoundError` becomes one.
 */
export async function startNodeSdk() {
  const store = new MemoryStore()
  const files = new Map<string, Buffer>()
  const seen: {
    readonly path: string
    readonly body: Buffer
    readonly headers: IncomingMessage['headers']
  }[] = []
  const { origin, close } = await serve((request, response) => {
    answer(request, response).catch((error) => {
      // As Express 5 does it.
      if (response.headersSent) response.destroy()
      else response.writeHead(500).end(String(error))
    })
  })
  const attachments = new Attachments(origin, files)
  const assistant = new Assistant(store, attachments, SILENT)

  async function answer(request: IncomingMessage, response: ServerResponse) {
    const { url: path = '', headers, method } = request
    const body = await buffer(request)
    seen.push({ path, body, headers })
    const id = path.split('/')[2] ?? ''
    if (path === '/chatkit') await chat(body, request, response)
    else if (path === '/files') json(response, await direct(body, headers))
    else if (method === 'GET') sendFile(id, response)
    else {
      files.set(id, body)
      response.writeHead(204).end()
    }
  }
  async function chat(body: Buffer, { headers }: IncomingMessage, response: ServerResponse) {
    const caller = { user: decodeURIComponent(String(headers['x-chatkit-user'])) }
    const result = await assistant.process(body, caller)
    if (!result.isStreaming) return json(response, result)
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    for await (const chunk of result) {
      if (response.destroyed) break
      response.write(chunk)
    }
    response.end()
  }
  async function direct(body: Buffer, headers: IncomingMessage['headers']): Promise<Attachment> {
    const parsed = new Response(new Uint8Array(body), {
      headers: { 'content-type': String(headers['content-type']) },
    })
    const file = (await parsed.formData()).get('file') as File
    const { name, size, type } = file
    const made = await attachments.createAttachment({ name, size, mime_type: type })
    files.set(made.id, Buffer.from(await file.arrayBuffer()))
    await store.saveAttachment(made)
    return made
  }
  function sendFile(id: string, response: ServerResponse): void {
    const type = store.attachments.get(id)?.mime_type ?? 'text/plain'
    response.writeHead(files.has(id) ? 200 : 404, { 'content-type': type }).end(files.get(id))
  }
  return {
    origin,
    url: `${origin}/chatkit`,
    uploadUrl: `${origin}/files`,
    store,
    files,
    assistant,
    seen,
    close,
  }
}

/** Two-phase uploads to this server. */
class Attachments extends AttachmentStore<Caller> {
  private readonly origin: string
  private readonly files: Map<string, Buffer>
  constructor(origin: string, files: Map<string, Buffer>) {
    super()
    this.origin = origin
    this.files = files
  }
  async createAttachment({ name, mime_type }: AttachmentCreateParams): Promise<Attachment> {
    const id = `atc_${crypto.randomUUID()}`
    const url = `${this.origin}/files/${id}`
    return { type: 'image', id, name, mime_type, upload_url: url, preview_url: url }
  }
  async deleteAttachment(id: string) {
    this.files.delete(id)
  }
}

function json(response: ServerResponse, body: unknown): void {
  response.setHeader('content-type', 'application/json').end(JSON.stringify(body))
}
