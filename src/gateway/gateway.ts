import type { Handler } from 'hono'
import { idsOf } from '../chatkit/protocol/ids.ts'
import { isStreaming, type ParsedRequest, parseRequest } from '../chatkit/protocol/request.ts'
import { serverFault } from '../chatkit/protocol/server-call.ts'
import { CLIENT_SECRET_TYPE } from '../chatkit/signing/client-secret.ts'
import { createServerIdentity } from '../chatkit/signing/server-token.ts'
import type { AppContext, AppEnv } from '../http/context.ts'
import { readBytes } from '../http/read-bytes.ts'
import { type Deadline, startDeadline } from '../lib/deadline.ts'
import { ServiceError } from '../lib/errors.ts'
import { parseStrictJson } from '../lib/strict-json.ts'
import { admitted, workflowOf } from './admission.ts'
import { readSecret } from './client-secret.ts'
import { answerEvents } from './event-answer.ts'
import { forward } from './forward.ts'
import type { GatewayCall, GatewayDeps, GatewayOptions } from './gateway-options.ts'
import { answerJson } from './json-answer.ts'
import { createOpenStreams, type SessionEnd } from './open-streams.ts'
import { release, requireOwn, type Thing } from './ownership.ts'
import { isForm, takeDirectUpload, takeLinkedUpload } from './uploads.ts'

const USUAL_LIMITS = {
  bodyMs: 30_000,
  answerMs: 30_000,
  heartbeatMs: 15_000,
  idleMs: 60_000,
  totalMs: 15 * 60_000,
}

/** Deepest nesting of a request: widgets and the actions in them go deep. */
const MAX_DEPTH = 64

const JSON_TYPE = /^application\/json(?:[ \t]*;[ \t]*charset=(?:utf-8|"utf-8"))?[ \t]*;?$/i

/**
 * What ChatKit's `api.url` points at: lets a request through to a self-hosted server when its client
 * secret is good and everything that it names is the caller's, tells the server who that is, and
 * streams the answer back for as long as the session is active.
 *
 * @param options - workflows, keys, store, connections
 * @returns the handler of `POST` and (for uploads by link) `PUT` on `/chatkit/:workflow`
 */
export function createGateway(options: GatewayOptions): Handler<AppEnv> {
  const deps: GatewayDeps = {
    ...options,
    limits: { ...USUAL_LIMITS, ...options.limits },
    identity: createServerIdentity(options),
    streams: createOpenStreams(options),
  }
  return async (c) => {
    const name = c.req.param('workflow') ?? ''
    workflowOf(deps, name)
    const isLinked = c.req.method === 'PUT' || c.req.query('upload') !== undefined
    if (isLinked) return takeLinkedUpload(c, name, deps)
    const use = { name, token: readSecret(c), type: CLIENT_SECRET_TYPE } as const
    const { call } = await admitted(c, deps, use)
    requireMediaType(c)
    return isForm(c) ? takeDirectUpload(c, call) : takeMessage(c, call)
  }
}

/** A message of the protocol. */
async function takeMessage(c: AppContext, call: GatewayCall): Promise<Response> {
  const { maxBodyBytes: maxBytes, limits } = call
  const bytes = await readBytes(c, { maxBytes, milliseconds: limits.bodyMs })
  const parsed = parse(bytes, call)
  const subject = subjectOf(parsed)
  const adopted = await requireOwn(call, { ...idsOf(parsed), subject })
  const streams = isStreaming(parsed.request.type)
  const ended = new AbortController()
  // A server may think long before its stream begins; its answer is watched from here on.
  const { id, user } = call.session
  const unwatch = call.streams.watch({ id, user }, (why) => ended.abort(whyNot(why)))
  const signal = AbortSignal.any([c.req.raw.signal, ended.signal])
  const deadline = startDeadline(streams ? limits.idleMs : limits.answerMs, signal)
  try {
    return await ask(c, call, { bytes, parsed, deadline })
  } catch (error) {
    await forgetGone(error, call, { parsed, adopted })
    throw ended.signal.aborted ? ended.signal.reason : error
  } finally {
    deadline.stop()
    unwatch()
  }
}

function whyNot(why: SessionEnd): ServiceError {
  return why === 'session_ended'
    ? new ServiceError('invalid_token', { reason: 'the session ended before the answer came' })
    : new ServiceError('store_unavailable', { reason: 'nobody can say whether the session ended' })
}

interface Message {
  readonly bytes: Uint8Array
  readonly parsed: ParsedRequest
  readonly deadline: Deadline
}

async function ask(
  c: AppContext,
  call: GatewayCall,
  { bytes, parsed, deadline }: Message,
): Promise<Response> {
  // The bytes as they came: what was judged is what the server reads.
  const request = { method: 'POST', url: call.workflow.server, body: bytes, deadline } as const
  const reply = await forward(c, call, request)
  const streams = reply.mediaType === 'text/event-stream'
  if (parsed.known && streams !== isStreaming(parsed.request.type)) {
    reply.body.destroy()
    throw serverFault('upstream_invalid_response', `an answer of type ${reply.mediaType}`)
  }
  if (streams) return answerEvents(c, call, reply)
  return answerJson(c, call, { parsed, reply, deadline })
}

/** What the server does not have is nobody's: an id must not be the first guesser's for ever. */
async function forgetGone(
  error: unknown,
  call: GatewayCall,
  { parsed, adopted }: { parsed: ParsedRequest; adopted: Thing | undefined },
): Promise<void> {
  if (!(error instanceof ServiceError) || error.code !== 'not_found') return
  if (adopted !== undefined) await release(call, adopted)
  if (!parsed.known) return
  const { type, params } = parsed.request
  if (type === 'threads.delete') await release(call, { kind: 'thread', id: params.thread_id })
  if (type === 'attachments.delete') {
    await release(call, { kind: 'attachment', id: params.attachment_id })
  }
}

/** Nothing but what the protocol sends; the server reads the same bytes as we do, undecoded. */
function requireMediaType(c: AppContext): void {
  const type = c.req.header('Content-Type') ?? ''
  const encoding = c.req.header('Content-Encoding') ?? 'identity'
  if ((JSON_TYPE.test(type) || isForm(c)) && encoding.toLowerCase() === 'identity') return
  throw new ServiceError('unsupported_media_type', {
    reason: 'neither application/json in UTF-8 nor multipart/form-data',
    detail: 'Send the body as application/json in UTF-8, or an upload as multipart/form-data.',
  })
}

function parse(bytes: Uint8Array, { allowUnknownTypes }: GatewayCall): ParsedRequest {
  const parsed = attempt(bytes)
  if (parsed.known || allowUnknownTypes) return parsed
  throw new ServiceError('invalid_request', {
    reason: 'a request of an unknown type',
    detail: 'The type of this request is not one of the ChatKit protocol.',
  })
}

function attempt(bytes: Uint8Array): ParsedRequest {
  try {
    return parseRequest(parseStrictJson(bytes, MAX_DEPTH))
  } catch (error) {
    throw new ServiceError('invalid_request', {
      reason: 'not a request of the ChatKit protocol',
      cause: error,
      detail: 'The body is not a request of the ChatKit protocol.',
    })
  }
}

function subjectOf({ known, request }: ParsedRequest): string | undefined {
  if (!known || !('thread_id' in request.params)) return undefined
  const { thread_id } = request.params
  return typeof thread_id === 'string' ? thread_id : undefined
}
