import type { KnownRequest, ParsedRequest } from '../chatkit/protocol/request.ts'
import { readJsonAnswer, type ServerReply, serverFault } from '../chatkit/protocol/server-call.ts'
import type { AppContext } from '../http/context.ts'
import type { Deadline } from '../lib/deadline.ts'
import { attachmentAnswer } from './attachment-answer.ts'
import { forward } from './forward.ts'
import type { GatewayCall } from './gateway-options.ts'
import { type NextPage, ownThreads } from './own-threads.ts'
import { release } from './ownership.ts'

/** What was asked, and the head of what was answered. */
export interface JsonExchange {
  readonly parsed: ParsedRequest
  readonly reply: ServerReply
  readonly deadline: Deadline
}

/**
 * Answers with a server's JSON: as it is, but for lists of threads and new attachments.
 *
 * @param c - the request
 * @param call - whose
 * @param exchange - with the server
 * @throws `upstream_invalid_response` when the answer is not one to the request
 */
export async function answerJson(
  c: AppContext,
  call: GatewayCall,
  exchange: JsonExchange,
): Promise<Response> {
  const { parsed, reply, deadline } = exchange
  const { json, bytes } = await readJsonAnswer(reply, deadline)
  const asItIs = () => c.body(new Uint8Array(bytes), 200, { 'Content-Type': 'application/json' })
  if (!parsed.known) return asItIs()
  const { request } = parsed
  switch (request.type) {
    case 'threads.list':
      return c.json(await listAnswer(c, call, { request, json, deadline }))
    case 'threads.get_by_id':
    case 'threads.update':
      requireThread(json, request.params.thread_id)
      return asItIs()
    case 'threads.delete':
      await release(call, { kind: 'thread', id: request.params.thread_id })
      return asItIs()
    case 'attachments.create':
      return c.json(await attachmentAnswer(call, json))
    case 'attachments.delete':
      await release(call, { kind: 'attachment', id: request.params.attachment_id })
      return asItIs()
    default:
      return asItIs()
  }
}

type ListRequest = Extract<KnownRequest, { type: 'threads.list' }>

interface ListExchange {
  readonly request: ListRequest
  /** The answer to the request as the client sent it. */
  readonly json: unknown
  readonly deadline: Deadline
}

function listAnswer(c: AppContext, call: GatewayCall, { request, json, deadline }: ListExchange) {
  const fetchPage = async (next: NextPage | undefined): Promise<unknown> => {
    if (next === undefined) return json
    const body = JSON.stringify({ ...request, params: { ...request.params, ...next } })
    const url = call.workflow.server
    const reply = await forward(c, call, { method: 'POST', url, body, deadline })
    return (await readJsonAnswer(reply, deadline)).json
  }
  return ownThreads(call, request.params, fetchPage)
}

/** A server that mixes up its threads must not make us hand one out. */
function requireThread(json: unknown, id: string): void {
  if (typeof json === 'object' && json !== null && 'id' in json && json.id === id) return
  throw serverFault('upstream_invalid_response', 'another thread than was asked for')
}
