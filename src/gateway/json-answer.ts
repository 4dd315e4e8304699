// Answers a request with the server's JSON, in which it changes only lists of threads, new attachments, and the
// addresses of files.

import { fileFieldsOfAnswer } from '../chatkit/protocol/file-fields.ts'
import { type KnownRequest, type ParsedRequest, saysNothing } from '../chatkit/protocol/request.ts'
import { readJsonAnswer, type ServerReply } from '../chatkit/protocol/server-call.ts'
import { serverFault } from '../chatkit/protocol/server-fault.ts'
import type { AppContext } from '../http/context.ts'
import { releaseWhenTaken } from '../http/upstream-call-options.ts'
import type { Deadline } from '../lib/deadline.ts'
import { ServiceError } from '../lib/errors.ts'
import { fieldOf } from '../lib/json.ts'
import { threadsOfItems } from './event-owner.ts'
import type { LinksFor } from './files/file-links.ts'
import type { AnswerAttachment } from './files/new-attachment.ts'
import type { Forward } from './forward.ts'
import { createOwnLists } from './list-answer.ts'
import type { Call } from './open-call.ts'
import type { OwnPage } from './own-threads.ts'
import { type GatewayOwnership, notFound, type Thing } from './ownership.ts'
import type { Shares } from './shares.ts'

/** A request, and the head of the server's answer to it. */
interface JsonExchange {
  readonly parsed: ParsedRequest
  readonly reply: ServerReply
  readonly deadline: Deadline
  /** A thread without an owner, which becomes the caller's if the server shows it. */
  readonly adopts: Thing | undefined
}

/** A request that the server refused, or failed to answer. */
interface RefusedExchange extends Pick<JsonExchange, 'parsed' | 'deadline' | 'adopts'> {
  readonly failure: unknown
}

interface Answered extends Pick<JsonExchange, 'parsed' | 'adopts'> {
  readonly json: unknown
  readonly bytes: Uint8Array<ArrayBuffer>
}

export type AnswerJson = ReturnType<typeof createAnswerJson>

/** @param parts - `forward`: requests further pages of a list */
export function createAnswerJson({
  ownership,
  shares,
  forward,
  answerAttachment,
  linksFor,
  maxAnswerBytes,
}: {
  readonly ownership: Pick<GatewayOwnership, 'ownersOf' | 'claim' | 'listOwned' | 'release'>
  readonly shares: Pick<Shares, 'memoryFor'>
  readonly forward: Forward
  readonly answerAttachment: AnswerAttachment
  readonly linksFor: LinksFor
  readonly maxAnswerBytes: number
}) {
  const lists = createOwnLists({ ownership, forward, shares })

  function answerPage(c: AppContext, call: Call, page: OwnPage): Response {
    linksFor(call)(fileFieldsOfAnswer(page))
    return asJson(c, page)
  }

  async function answerWith(
    c: AppContext,
    call: Call,
    { parsed, json, bytes, adopts }: Answered,
  ): Promise<Response> {
    const request = parsed.known ? parsed.request : undefined
    switch (request?.type) {
      case 'attachments.create':
        return asJson(c, await answerAttachment(call, json))
      case 'threads.get_by_id':
      case 'threads.update':
        requireThread(json, request)
        requireItems(json, request.params.thread_id)
        break
      case 'items.list':
        requireItems({ items: json }, request.params.thread_id)
        break
      case 'threads.sync_custom_action':
        requireItems({ items: [fieldOf(json, 'updated_item')] }, request.params.thread_id)
    }
    if (adopts !== undefined && !(await ownership.claim(call, adopts))) {
      throw notFound('that another user has just claimed')
    }
    const deleted = deletedBy(parsed)
    if (deleted !== undefined) await ownership.release(call, deleted)
    if (linksFor(call)(fileFieldsOfAnswer(json))) return asJson(c, json)
    return c.body(bytes, 200, { 'Content-Type': 'application/json' })
  }

  return {
    /** @throws `upstream_invalid_response` when the answer does not fit the request; `overloaded` */
    async answer(c: AppContext, call: Call, exchange: JsonExchange): Promise<Response> {
      const { parsed, reply, deadline, adopts } = exchange
      const memory = shares.memoryFor(call.session.user)
      releaseWhenTaken(c, memory)
      const bounds = { maxBytes: maxAnswerBytes, hold: memory.hold, mayBeEmpty: mayBeEmpty(parsed) }
      const { bytes, parse } = await readJsonAnswer(reply, deadline, bounds)
      const request = listIn(parsed)
      if (request === undefined) {
        return memory.work(() => answerWith(c, call, { parsed, adopts, bytes, json: parse() }))
      }
      // Waiting for further pages must not count as work, so only the parsing does.
      const json = await memory.work(parse)
      return answerPage(c, call, await lists.fromServer(c, call, { request, json, deadline }))
    },
    /**
     * Answers a request that the server refused, if the gateway can; throws the `failure` otherwise. If the server no
     * longer has the thing that the request deletes, its record is removed.
     */
    async answerRefused(c: AppContext, call: Call, refused: RefusedExchange): Promise<Response> {
      const { parsed, failure, deadline, adopts } = refused
      if (!(failure instanceof ServiceError)) throw failure
      const { code, status, reason } = failure
      const isRefusal = code === 'upstream_auth_failed' || (status !== undefined && status !== 429)
      // The server's status and words would tell a thread that nobody has from one of another user.
      if (isRefusal && adopts !== undefined) throw notFound(`that is not shown: ${reason}`)
      const gone = status === 404 || status === 410 ? deletedBy(parsed) : undefined
      if (gone !== undefined && (await lists.canList(c, call, deadline))) {
        await ownership.release(call, gone)
      }
      const request = listIn(parsed)
      if (request === undefined) throw failure
      return answerPage(c, call, await lists.fromRecords(c, call, { ...refused, request }))
    },
  }
}

function listIn({ known, request }: ParsedRequest) {
  return known && request.type === 'threads.list' ? request : undefined
}

/** @throws `upstream_invalid_response` for a value whose nesting `JSON.parse` accepts and `JSON.stringify` does not */
export function asJson(c: AppContext, value: unknown): Response {
  try {
    return c.json(value)
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    throw serverFault('upstream_invalid_response', 'nested too deeply', error)
  }
}

/** The thread or attachment that a request deletes; undefined when it deletes none. */
function deletedBy({ known, request }: ParsedRequest): Thing | undefined {
  if (known && request.type === 'threads.delete') {
    return { kind: 'thread', id: request.params.thread_id }
  }
  if (known && request.type === 'attachments.delete') {
    return { kind: 'attachment', id: request.params.attachment_id }
  }
  return undefined
}

function requireItems(json: unknown, thread: string): void {
  if (threadsOfItems(json).every((named) => named === thread)) return
  throw serverFault('upstream_invalid_response', 'items of another thread than was asked for')
}

/**
 * Refuses an answer about another thread than the requested one, which may belong to another user. Some servers confirm a
 * new title without the thread.
 */
function requireThread(
  json: unknown,
  { type, params }: Extract<KnownRequest, { type: 'threads.get_by_id' | 'threads.update' }>,
): void {
  const id = fieldOf(json, 'id')
  if (id === params.thread_id) return
  if (type === 'threads.update' && (id === undefined || id === null)) return
  throw serverFault('upstream_invalid_response', 'another thread than was asked for')
}

function mayBeEmpty({ request: { type } }: ParsedRequest): boolean {
  return type === 'threads.update' || saysNothing(type)
}
